CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    room_id UUID NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    permission TEXT NOT NULL,
    bootstrap BIGINT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_principal ON api_keys (workspace_id, kind, principal);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (hash);
CREATE TABLE agents (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    archived BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE TABLE rooms (
    id UUID PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    process_id UUID,
    team_id UUID,
    head BIGINT NOT NULL,
    first BIGINT NOT NULL,
    log_id UUID NOT NULL,
    last_activity BIGINT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX rooms_by_workspace ON rooms (workspace_id, type, id);
CREATE TABLE events (
    room_id UUID NOT NULL REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    type TEXT NOT NULL,
    at BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (room_id, seq)
);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE TABLE snapshots (
    room_id UUID PRIMARY KEY REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE read_marks (
    room_id UUID NOT NULL REFERENCES rooms (id),
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (room_id, kind, principal)
);
CREATE TABLE teams (
    id UUID PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    room_id UUID NOT NULL REFERENCES rooms (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX teams_by_workspace ON teams (workspace_id, id);
CREATE TABLE team_members (
    team_id UUID NOT NULL REFERENCES teams (id),
    workspace_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    role TEXT NOT NULL,
    is_active BIGINT NOT NULL,
    PRIMARY KEY (team_id, agent_id),
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agents (workspace_id, id)
);
CREATE INDEX team_members_by_agent ON team_members (workspace_id, agent_id);
CREATE TABLE processes (
    id UUID PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    room_id UUID NOT NULL REFERENCES rooms (id),
    team_id UUID NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    priority BIGINT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX processes_by_workspace ON processes (workspace_id, id);
CREATE INDEX processes_by_status ON processes (workspace_id, status, id);
CREATE TABLE steps (
    id UUID PRIMARY KEY,
    process_id UUID NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    team_id UUID NOT NULL,
    ordinal BIGINT NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT,
    priority BIGINT NOT NULL,
    ready_at BIGINT,
    data TEXT NOT NULL
);
CREATE UNIQUE INDEX steps_by_process ON steps (process_id, key);
CREATE INDEX steps_ready ON steps (workspace_id, priority, ready_at) WHERE phase = 'ready';
CREATE TABLE attempts (
    id UUID PRIMARY KEY,
    step_id UUID NOT NULL REFERENCES steps (id),
    process_id UUID NOT NULL,
    workspace_id TEXT NOT NULL,
    team_id UUID NOT NULL,
    agent_id TEXT NOT NULL,
    instance_id TEXT,
    epoch BIGINT NOT NULL,
    status TEXT NOT NULL,
    live BIGINT NOT NULL,
    data TEXT NOT NULL,
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agents (workspace_id, id)
);
CREATE INDEX attempts_by_step ON attempts (step_id);
CREATE INDEX attempts_live_by_agent ON attempts (workspace_id, agent_id) WHERE live = 1;
CREATE INDEX attempts_live_by_team ON attempts (team_id) WHERE live = 1;
CREATE UNIQUE INDEX attempts_one_live ON attempts (step_id) WHERE live = 1;
CREATE TABLE handoffs (
    id UUID PRIMARY KEY,
    process_id UUID NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    step_id UUID NOT NULL REFERENCES steps (id),
    status TEXT NOT NULL,
    to_agents TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX handoffs_by_process ON handoffs (process_id, id);
CREATE INDEX handoffs_pending ON handoffs (workspace_id) WHERE status = 'pending';
CREATE TABLE interventions (
    id UUID PRIMARY KEY,
    process_id UUID NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    step_id UUID,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    used BIGINT NOT NULL,
    due_at BIGINT,
    assignees TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX interventions_by_workspace ON interventions (workspace_id, status, id);
CREATE INDEX interventions_by_process ON interventions (process_id, id);
CREATE INDEX interventions_by_step ON interventions (step_id);
CREATE TABLE communications (
    id UUID PRIMARY KEY,
    process_id UUID NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    open BIGINT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX communications_by_process ON communications (process_id, id);
CREATE INDEX communications_open ON communications (workspace_id, to_agent) WHERE open = 1;
CREATE TABLE timers (
    room_id UUID NOT NULL REFERENCES rooms (id),
    key TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    due BIGINT NOT NULL,
    timer TEXT NOT NULL,
    PRIMARY KEY (room_id, key)
);
CREATE INDEX timers_by_due ON timers (due);
CREATE TABLE idempotency (
    workspace_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    response TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, principal, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    room_id BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    permission TEXT NOT NULL,
    bootstrap INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_principal ON api_keys (workspace_id, kind, principal);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (hash);
CREATE TABLE agents (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    archived INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (workspace_id, id)
) STRICT;
CREATE TABLE rooms (
    id BLOB PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    process_id BLOB,
    team_id BLOB,
    head INTEGER NOT NULL,
    first INTEGER NOT NULL,
    log_id BLOB NOT NULL,
    last_activity INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX rooms_by_workspace ON rooms (workspace_id, type, id);
CREATE TABLE events (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (room_id, seq)
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE TABLE snapshots (
    room_id BLOB PRIMARY KEY REFERENCES rooms (id),
    seq INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE read_marks (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room_id, kind, principal)
) STRICT;
CREATE TABLE teams (
    id BLOB PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    room_id BLOB NOT NULL REFERENCES rooms (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX teams_by_workspace ON teams (workspace_id, id);
CREATE TABLE team_members (
    team_id BLOB NOT NULL REFERENCES teams (id),
    workspace_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    role TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    PRIMARY KEY (team_id, agent_id),
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agents (workspace_id, id)
) STRICT;
CREATE INDEX team_members_by_agent ON team_members (workspace_id, agent_id);
CREATE TABLE processes (
    id BLOB PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    room_id BLOB NOT NULL REFERENCES rooms (id),
    team_id BLOB NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX processes_by_workspace ON processes (workspace_id, id);
CREATE INDEX processes_by_status ON processes (workspace_id, status, id);
CREATE TABLE steps (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    team_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT,
    priority INTEGER NOT NULL,
    ready_at INTEGER,
    data TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX steps_by_process ON steps (process_id, key);
CREATE INDEX steps_ready ON steps (workspace_id, priority, ready_at) WHERE phase = 'ready';
CREATE TABLE attempts (
    id BLOB PRIMARY KEY,
    step_id BLOB NOT NULL REFERENCES steps (id),
    process_id BLOB NOT NULL,
    workspace_id TEXT NOT NULL,
    team_id BLOB NOT NULL,
    agent_id TEXT NOT NULL,
    instance_id TEXT,
    epoch INTEGER NOT NULL,
    status TEXT NOT NULL,
    live INTEGER NOT NULL,
    data TEXT NOT NULL,
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agents (workspace_id, id)
) STRICT;
CREATE INDEX attempts_by_step ON attempts (step_id);
CREATE INDEX attempts_live_by_agent ON attempts (workspace_id, agent_id) WHERE live = 1;
CREATE INDEX attempts_live_by_team ON attempts (team_id) WHERE live = 1;
CREATE UNIQUE INDEX attempts_one_live ON attempts (step_id) WHERE live = 1;
CREATE TABLE handoffs (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    step_id BLOB NOT NULL REFERENCES steps (id),
    status TEXT NOT NULL,
    to_agents TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX handoffs_by_process ON handoffs (process_id, id);
CREATE INDEX handoffs_pending ON handoffs (workspace_id) WHERE status = 'pending';
CREATE TABLE interventions (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    step_id BLOB,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    used INTEGER NOT NULL,
    due_at INTEGER,
    assignees TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX interventions_by_workspace ON interventions (workspace_id, status, id);
CREATE INDEX interventions_by_process ON interventions (process_id, id);
CREATE INDEX interventions_by_step ON interventions (step_id);
CREATE TABLE communications (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    to_agent TEXT NOT NULL,
    open INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX communications_by_process ON communications (process_id, id);
CREATE INDEX communications_open ON communications (workspace_id, to_agent) WHERE open = 1;
CREATE TABLE timers (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    key TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    due INTEGER NOT NULL,
    timer TEXT NOT NULL,
    PRIMARY KEY (room_id, key)
) STRICT;
CREATE INDEX timers_by_due ON timers (due);
CREATE TABLE idempotency (
    workspace_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, principal, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE alert_rules (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
    data TEXT NOT NULL
) STRICT;
CREATE TABLE alerts (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    team_id BLOB NOT NULL,
    type TEXT NOT NULL,
    severity TEXT NOT NULL,
    resolved INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_workspace ON alerts (workspace_id, id);
CREATE INDEX alerts_by_process ON alerts (process_id, id);
CREATE INDEX alerts_open ON alerts (workspace_id, severity, id) WHERE resolved = 0;
CREATE TABLE recommendations (
    id BLOB PRIMARY KEY,
    process_id BLOB NOT NULL REFERENCES processes (id),
    workspace_id TEXT NOT NULL,
    team_id BLOB NOT NULL,
    type TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX recommendations_by_time ON recommendations (workspace_id, made_at);
CREATE INDEX recommendations_by_process ON recommendations (process_id);

CREATE TABLE webhooks (
    id BLOB PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    room_id BLOB,
    description TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_delivered_at INTEGER,
    last_error TEXT
) STRICT;
CREATE INDEX webhooks_by_workspace ON webhooks (workspace_id, id);
CREATE TABLE webhook_version (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO webhook_version (id, version) VALUES (1, 0);
CREATE TABLE webhook_outbox (
    webhook_id BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    room_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (webhook_id, room_id, seq)
) STRICT;
CREATE INDEX webhook_outbox_due ON webhook_outbox (webhook_id, due) WHERE status = 'pending';
CREATE INDEX webhook_outbox_head ON webhook_outbox (webhook_id, room_id, seq) WHERE status = 'pending';
CREATE INDEX webhook_outbox_by_age ON webhook_outbox (created_at);

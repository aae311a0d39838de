CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    room_id UUID,
    description TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_delivered_at BIGINT,
    last_error TEXT
);
CREATE INDEX webhooks_by_workspace ON webhooks (workspace_id, id);
CREATE TABLE webhook_version (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO webhook_version (id, version) VALUES (1, 0);
CREATE TABLE webhook_outbox (
    webhook_id UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    room_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (webhook_id, room_id, seq)
);
CREATE INDEX webhook_outbox_due ON webhook_outbox (webhook_id, due) WHERE status = 'pending';
CREATE INDEX webhook_outbox_head ON webhook_outbox (webhook_id, room_id, seq) WHERE status = 'pending';
CREATE INDEX webhook_outbox_by_age ON webhook_outbox (created_at);

CREATE TABLE audit (
    workspace_id TEXT NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    transport TEXT NOT NULL,
    address TEXT NOT NULL,
    room_id UUID,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    correlation TEXT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX audit_by_principal ON audit (workspace_id, principal, id);
CREATE INDEX audit_by_action ON audit (workspace_id, action, id);

CREATE TABLE templates (
    id UUID NOT NULL,
    version BIGINT NOT NULL,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE INDEX templates_by_workspace ON templates (workspace_id, id, version);

DROP VIEW names;
DROP TABLE names_unfiled;
DROP TABLE name_suffixes;
DROP TABLE name_ranges;
DROP FUNCTION suffixes(TEXT);
CREATE TABLE names (
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE OR REPLACE FUNCTION names_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO names (kind, id, workspace_id, name) VALUES (TG_ARGV[0], NEW.id, NEW.workspace_id, LOWER(NEW.name));
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE names SET name = LOWER(NEW.name) WHERE kind = TG_ARGV[0] AND id = NEW.id;
    ELSE
        DELETE FROM names WHERE kind = TG_ARGV[0] AND id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'process', id, workspace_id, LOWER(name) FROM processes;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'team', id, workspace_id, LOWER(name) FROM teams;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'room', id, workspace_id, LOWER(name) FROM rooms WHERE type <> 'process';
CREATE INDEX names_by_pieces ON names USING GIN (name_pieces(kind, workspace_id, name)) WITH (gin_pending_list_limit = 64);

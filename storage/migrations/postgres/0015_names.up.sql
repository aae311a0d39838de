-- Names, to find those that a text is a part of without reading all of them. Whoever writes a process or a team, its name follows. Apart
-- from the rows that have them, which are written again and again: the index below is dear to write.
CREATE TABLE names (
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
-- At each place of a name begins a piece of three characters, at the last two a shorter one. So whatever is a part of a name is a row of pieces,
-- or the beginning of one. And a word for the list that the name is in.
CREATE FUNCTION name_pieces(kind TEXT, workspace_id TEXT, name TEXT) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(array_agg(substr(name, place, 3)) || ARRAY[kind || ':' || workspace_id]) FROM generate_series(1, length(name)) AS place
$$;
CREATE FUNCTION names_follow() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER processes_named AFTER INSERT OR DELETE ON processes FOR EACH ROW EXECUTE FUNCTION names_follow('process');
CREATE TRIGGER processes_renamed AFTER UPDATE OF name ON processes FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION names_follow('process');
CREATE TRIGGER teams_named AFTER INSERT OR DELETE ON teams FOR EACH ROW EXECUTE FUNCTION names_follow('team');
CREATE TRIGGER teams_renamed AFTER UPDATE OF name ON teams FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION names_follow('team');
INSERT INTO names (kind, id, workspace_id, name) SELECT 'process', id, workspace_id, LOWER(name) FROM processes;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'team', id, workspace_id, LOWER(name) FROM teams;
-- New names wait in a list, which costs a part of writing each to its place at once. A search reads all that waits, so the list is short.
CREATE INDEX names_by_pieces ON names USING GIN (name_pieces(kind, workspace_id, name)) WITH (gin_pending_list_limit = 64);
-- What was refused, among all that was done.
CREATE INDEX audit_refused ON audit (workspace_id, outcome, id) WHERE outcome <> 'ok';

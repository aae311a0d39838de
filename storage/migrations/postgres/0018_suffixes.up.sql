-- Names by their ends: at each place of a name begins one, so whatever is a part of a name is what one of its ends begins with. The names of a
-- list are in ranges of their ids, and ends in the order of their range: those that begin with a text are found range by range, newest first.
CREATE TABLE name_ranges (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    -- From this id to where the next range begins. The first range of a list begins at zero.
    first UUID NOT NULL,
    -- The largest id that was filed in it.
    last UUID NOT NULL,
    -- How many names were filed in it.
    names BIGINT NOT NULL
);
CREATE UNIQUE INDEX name_ranges_of_list ON name_ranges (kind, workspace_id, first);
-- The first 32 characters of an end are kept, and of the end that is the whole name those after a mark.
CREATE TABLE name_suffixes (
    -- There is one of these for each letter of each name.
    range_id INTEGER NOT NULL,
    suffix TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (range_id, suffix, id)
);
-- New names, which are filed many at a time. Until then they are compared one by one.
CREATE TABLE names_unfiled (
    kind TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, workspace_id, id)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
CREATE FUNCTION suffixes(name TEXT) RETURNS SETOF TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 25 AS $$
    SELECT DISTINCT substr(chr(1) || name, place, 32) COLLATE "C" FROM generate_series(1, length(name) + 1) AS place
$$;
CREATE OR REPLACE FUNCTION names_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM names_unfiled WHERE kind = TG_ARGV[0] AND workspace_id = OLD.workspace_id AND id = OLD.id;
        IF NOT FOUND THEN
            DELETE FROM name_suffixes USING suffixes(LOWER(OLD.name)) AS old_suffix
            WHERE id = OLD.id AND suffix = old_suffix AND range_id = (
                SELECT r.id FROM name_ranges r
                WHERE r.kind = TG_ARGV[0] AND r.workspace_id = OLD.workspace_id AND r.first <= OLD.id ORDER BY r.first DESC LIMIT 1
            );
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES (TG_ARGV[0], NEW.workspace_id, NEW.id, LOWER(NEW.name));
    END IF;
    RETURN NULL;
END
$$;
INSERT INTO names_unfiled (kind, workspace_id, id, name) SELECT kind, workspace_id, id, name FROM names;
-- A node of the version before goes on finding names, if not as fast.
DROP TABLE names;
CREATE VIEW names AS
SELECT 'process' AS kind, id, workspace_id, LOWER(name) AS name FROM processes
UNION ALL SELECT 'team', id, workspace_id, LOWER(name) FROM teams
UNION ALL SELECT 'room', id, workspace_id, LOWER(name) FROM rooms WHERE type <> 'process';

DROP TRIGGER processes_named;
DROP TRIGGER processes_renamed;
DROP TRIGGER processes_gone;
DROP TRIGGER teams_named;
DROP TRIGGER teams_renamed;
DROP TRIGGER teams_gone;
DROP TRIGGER rooms_named;
DROP TRIGGER rooms_renamed;
DROP TRIGGER rooms_gone;
DROP TABLE names_unfiled;
DROP TABLE name_suffixes;
DROP TABLE name_ranges;
CREATE TABLE names (
    rowid INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (kind, id)
) STRICT;
CREATE VIEW names_in_pieces AS
SELECT names.rowid AS rowid, 'l' || hex(kind || ':' || workspace_id) || (
    -- As many rows as the name has characters.
    SELECT group_concat(' ' || hex(substr(name, place.key + 1, 3)), '')
    FROM json_each('[0' || replace(hex(zeroblob(length(name) - 1)), '00', ',0') || ']') AS place
) AS pieces
FROM names;
CREATE VIRTUAL TABLE name_pieces USING fts5 (
    pieces, content = 'names_in_pieces', content_rowid = 'rowid', columnsize = 0, detail = 'none', tokenize = 'ascii'
);
CREATE TRIGGER names_given AFTER INSERT ON names BEGIN
    INSERT INTO name_pieces (rowid, pieces) SELECT rowid, pieces FROM names_in_pieces WHERE rowid = new.rowid;
END;
CREATE TRIGGER names_to_change BEFORE UPDATE ON names BEGIN
    INSERT INTO name_pieces (name_pieces, rowid, pieces) SELECT 'delete', rowid, pieces FROM names_in_pieces WHERE rowid = old.rowid;
END;
CREATE TRIGGER names_changed AFTER UPDATE ON names BEGIN
    INSERT INTO name_pieces (rowid, pieces) SELECT rowid, pieces FROM names_in_pieces WHERE rowid = new.rowid;
END;
CREATE TRIGGER names_taken BEFORE DELETE ON names BEGIN
    INSERT INTO name_pieces (name_pieces, rowid, pieces) SELECT 'delete', rowid, pieces FROM names_in_pieces WHERE rowid = old.rowid;
END;
CREATE TRIGGER processes_named AFTER INSERT ON processes BEGIN
    INSERT INTO names (kind, id, workspace_id, name) VALUES ('process', new.id, new.workspace_id, LOWER(new.name));
END;
CREATE TRIGGER processes_renamed AFTER UPDATE OF name ON processes WHEN new.name <> old.name BEGIN
    UPDATE names SET name = LOWER(new.name) WHERE kind = 'process' AND id = new.id;
END;
CREATE TRIGGER processes_gone AFTER DELETE ON processes BEGIN
    DELETE FROM names WHERE kind = 'process' AND id = old.id;
END;
CREATE TRIGGER teams_named AFTER INSERT ON teams BEGIN
    INSERT INTO names (kind, id, workspace_id, name) VALUES ('team', new.id, new.workspace_id, LOWER(new.name));
END;
CREATE TRIGGER teams_renamed AFTER UPDATE OF name ON teams WHEN new.name <> old.name BEGIN
    UPDATE names SET name = LOWER(new.name) WHERE kind = 'team' AND id = new.id;
END;
CREATE TRIGGER teams_gone AFTER DELETE ON teams BEGIN
    DELETE FROM names WHERE kind = 'team' AND id = old.id;
END;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'process', id, workspace_id, LOWER(name) FROM processes;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'team', id, workspace_id, LOWER(name) FROM teams;
CREATE TRIGGER rooms_named AFTER INSERT ON rooms WHEN new.type <> 'process' BEGIN
    INSERT INTO names (kind, id, workspace_id, name) VALUES ('room', new.id, new.workspace_id, LOWER(new.name));
END;
CREATE TRIGGER rooms_renamed AFTER UPDATE OF name ON rooms WHEN new.name <> old.name AND new.type <> 'process' BEGIN
    UPDATE names SET name = LOWER(new.name) WHERE kind = 'room' AND id = new.id;
END;
CREATE TRIGGER rooms_gone AFTER DELETE ON rooms WHEN old.type <> 'process' BEGIN
    DELETE FROM names WHERE kind = 'room' AND id = old.id;
END;
INSERT INTO names (kind, id, workspace_id, name) SELECT 'room', id, workspace_id, LOWER(name) FROM rooms WHERE type <> 'process';

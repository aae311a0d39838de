-- Names by their ends: at each place of a name begins one, so whatever is a part of a name is what one of its ends begins with. The names of a
-- list are in ranges of their ids, and ends in the order of their range: those that begin with a text are found range by range, newest first.
CREATE TABLE name_ranges (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    -- From this id to where the next range begins. The first range of a list begins at zero.
    first BLOB NOT NULL,
    -- The largest id that was filed in it.
    last BLOB NOT NULL,
    -- How many names were filed in it.
    names INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX name_ranges_of_list ON name_ranges (kind, workspace_id, first);
-- The first 32 characters of an end are kept, and of the end that is the whole name those after a mark.
CREATE TABLE name_suffixes (
    range_id INTEGER NOT NULL,
    suffix TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (range_id, suffix, id)
) WITHOUT ROWID, STRICT;
-- New names, which are filed many at a time. Until then they are compared one by one.
CREATE TABLE names_unfiled (
    kind TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, workspace_id, id)
) WITHOUT ROWID, STRICT;
INSERT INTO names_unfiled (kind, workspace_id, id, name) SELECT kind, workspace_id, id, name FROM names;
DROP TRIGGER processes_named;
DROP TRIGGER processes_renamed;
DROP TRIGGER processes_gone;
DROP TRIGGER teams_named;
DROP TRIGGER teams_renamed;
DROP TRIGGER teams_gone;
DROP TRIGGER rooms_named;
DROP TRIGGER rooms_renamed;
DROP TRIGGER rooms_gone;
DROP TABLE name_pieces;
DROP VIEW names_in_pieces;
DROP TABLE names;
CREATE TRIGGER processes_named AFTER INSERT ON processes BEGIN
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('process', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER processes_renamed AFTER UPDATE OF name ON processes WHEN new.name <> old.name BEGIN
    DELETE FROM names_unfiled WHERE kind = 'process' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'process' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('process', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER processes_gone AFTER DELETE ON processes BEGIN
    DELETE FROM names_unfiled WHERE kind = 'process' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'process' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
END;
CREATE TRIGGER teams_named AFTER INSERT ON teams BEGIN
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('team', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER teams_renamed AFTER UPDATE OF name ON teams WHEN new.name <> old.name BEGIN
    DELETE FROM names_unfiled WHERE kind = 'team' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'team' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('team', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER teams_gone AFTER DELETE ON teams BEGIN
    DELETE FROM names_unfiled WHERE kind = 'team' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'team' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
END;
CREATE TRIGGER rooms_named AFTER INSERT ON rooms WHEN new.type <> 'process' BEGIN
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('room', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER rooms_renamed AFTER UPDATE OF name ON rooms WHEN new.type <> 'process' AND new.name <> old.name BEGIN
    DELETE FROM names_unfiled WHERE kind = 'room' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'room' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
    INSERT INTO names_unfiled (kind, workspace_id, id, name) VALUES ('room', new.workspace_id, new.id, LOWER(new.name));
END;
CREATE TRIGGER rooms_gone AFTER DELETE ON rooms WHEN old.type <> 'process' BEGIN
    DELETE FROM names_unfiled WHERE kind = 'room' AND workspace_id = old.workspace_id AND id = old.id;
    DELETE FROM name_suffixes WHERE id = old.id AND range_id = (
        SELECT r.id FROM name_ranges r WHERE r.kind = 'room' AND r.workspace_id = old.workspace_id AND r.first <= old.id ORDER BY r.first DESC LIMIT 1
    ) AND suffix IN (
        SELECT substr(char(1) || LOWER(old.name), place.key + 1, 32) FROM json_each('[0' || replace(hex(zeroblob(length(old.name))), '00', ',0') || ']') AS place
    );
END;

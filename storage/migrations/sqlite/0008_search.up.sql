-- With a rowid that is named, which no VACUUM changes: the words below point to it.
CREATE TABLE messages_new (
    rowid INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    room_id BLOB NOT NULL REFERENCES rooms (id),
    workspace_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    author_kind TEXT NOT NULL,
    author TEXT NOT NULL,
    reply_to BLOB,
    stream_id TEXT,
    removed INTEGER NOT NULL,
    body TEXT NOT NULL,
    -- What an edit changed beside the body.
    mentions TEXT,
    edited_at INTEGER
) STRICT;
INSERT INTO messages_new (id, room_id, workspace_id, seq, at, author_kind, author, reply_to, stream_id, removed, body)
SELECT id, room_id, workspace_id, seq, at, author_kind, author, reply_to, stream_id, removed, body FROM messages ORDER BY at, seq;
DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;
CREATE INDEX messages_by_room ON messages (room_id, seq);
CREATE INDEX messages_by_thread ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_by_stream ON messages (room_id, stream_id) WHERE stream_id IS NOT NULL;
CREATE INDEX messages_by_time ON messages (workspace_id, at, seq);
-- The words of the bodies; the bodies themselves stay where they are. Whoever writes a message, its words follow.
CREATE VIRTUAL TABLE message_words USING fts5 (
    body, content = 'messages', content_rowid = 'rowid', columnsize = 0, tokenize = 'unicode61 remove_diacritics 0'
);
CREATE TRIGGER messages_said AFTER INSERT ON messages BEGIN
    INSERT INTO message_words (rowid, body) VALUES (new.rowid, new.body);
END;
CREATE TRIGGER messages_edited AFTER UPDATE OF body ON messages BEGIN
    INSERT INTO message_words (message_words, rowid, body) VALUES ('delete', old.rowid, old.body);
    INSERT INTO message_words (rowid, body) VALUES (new.rowid, new.body);
END;
CREATE TRIGGER messages_gone AFTER DELETE ON messages BEGIN
    INSERT INTO message_words (message_words, rowid, body) VALUES ('delete', old.rowid, old.body);
END;
INSERT INTO message_words (message_words) VALUES ('rebuild');

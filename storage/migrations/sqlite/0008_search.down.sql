DROP TABLE message_words;
CREATE TABLE messages_old (
    id BLOB PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id),
    workspace_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    author_kind TEXT NOT NULL,
    author TEXT NOT NULL,
    reply_to BLOB,
    stream_id TEXT,
    removed INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO messages_old
SELECT id, room_id, workspace_id, seq, at, author_kind, author, reply_to, stream_id, removed, body FROM messages ORDER BY rowid;
DROP TABLE messages;
ALTER TABLE messages_old RENAME TO messages;
CREATE INDEX messages_by_room ON messages (room_id, seq);
CREATE INDEX messages_by_thread ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_by_stream ON messages (room_id, stream_id) WHERE stream_id IS NOT NULL;

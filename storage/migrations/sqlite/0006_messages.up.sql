CREATE TABLE messages (
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
CREATE INDEX messages_by_room ON messages (room_id, seq);
CREATE INDEX messages_by_thread ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_by_stream ON messages (room_id, stream_id) WHERE stream_id IS NOT NULL;

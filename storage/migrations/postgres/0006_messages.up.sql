CREATE TABLE messages (
    id UUID PRIMARY KEY,
    room_id UUID NOT NULL REFERENCES rooms (id),
    workspace_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    author_kind TEXT NOT NULL,
    author TEXT NOT NULL,
    reply_to UUID,
    stream_id TEXT,
    removed BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX messages_by_room ON messages (room_id, seq);
CREATE INDEX messages_by_thread ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_by_stream ON messages (room_id, stream_id) WHERE stream_id IS NOT NULL;

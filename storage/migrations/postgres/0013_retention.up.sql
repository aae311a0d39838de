-- Rooms whose process has ended, and what becomes of them next: archived once idle, then their log goes.
CREATE TABLE retention (
    room_id UUID PRIMARY KEY REFERENCES rooms (id),
    workspace_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX retention_by_stage ON retention (stage, since, room_id);
-- Those that have ended already. What an older node ends beside this one is found when the store's level is raised.
INSERT INTO retention (room_id, workspace_id, stage, since)
SELECT r.id, r.workspace_id, CASE WHEN r.data LIKE '%"archived":true%' THEN 'archived' ELSE 'ended' END, r.last_activity
FROM processes p JOIN rooms r ON r.id = p.room_id WHERE p.status IN ('completed', 'failed', 'cancelled');
-- What a log that no longer begins at its beginning begins with: the state before its first event.
CREATE TABLE bases (
    room_id UUID PRIMARY KEY REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    state TEXT NOT NULL
);
CREATE INDEX rooms_shared ON rooms (id) WHERE type <> 'process';
-- Until when a node sees to all this, so that the others need not.
ALTER TABLE store ADD COLUMN retention_until BIGINT NOT NULL DEFAULT 0;

-- What figures are added up from, each found by its time. A node of the version before leaves these columns empty: what it writes counts
-- once it is written again.
ALTER TABLE processes ADD COLUMN ended_at INTEGER;
ALTER TABLE steps ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN completed_at INTEGER;
ALTER TABLE steps ADD COLUMN took_ms INTEGER;
ALTER TABLE attempts ADD COLUMN held_from INTEGER;
ALTER TABLE attempts ADD COLUMN held_until INTEGER;
ALTER TABLE interventions ADD COLUMN requested_at INTEGER;
ALTER TABLE interventions ADD COLUMN closed_at INTEGER;
UPDATE processes SET ended_at = CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER);
UPDATE attempts SET held_from = CAST(strftime('%s', substr(json_extract(data, '$.acceptedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.acceptedAt'), 21, 6) AS INTEGER);
UPDATE attempts SET held_until = CAST(strftime('%s', substr(json_extract(data, '$.endedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.endedAt'), 21, 6) AS INTEGER) WHERE held_from IS NOT NULL;
UPDATE interventions SET requested_at = CAST(strftime('%s', substr(json_extract(data, '$.requestedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.requestedAt'), 21, 6) AS INTEGER), closed_at = CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER);
UPDATE steps SET name = json_extract(data, '$.name');
UPDATE steps SET completed_at = CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER), took_ms = (CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER) - COALESCE(CAST(strftime('%s', substr(json_extract(data, '$.startedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.startedAt'), 21, 6) AS INTEGER), CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER))) / 1000
    WHERE status = 'completed' AND CAST(strftime('%s', substr(json_extract(data, '$.completedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(data, '$.completedAt'), 21, 6) AS INTEGER) >=
    (SELECT CAST(strftime('%s', substr(json_extract(p.data, '$.initiatedAt'), 1, 19)) AS INTEGER) * 1000000 + CAST(substr(json_extract(p.data, '$.initiatedAt'), 21, 6) AS INTEGER) FROM processes p WHERE p.id = steps.process_id);
CREATE INDEX processes_by_end ON processes (workspace_id, ended_at, status) WHERE ended_at IS NOT NULL;
CREATE INDEX steps_by_completion ON steps (workspace_id, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX attempts_by_end ON attempts (workspace_id, agent_id, held_until) WHERE held_until IS NOT NULL;
CREATE INDEX interventions_by_time ON interventions (workspace_id, requested_at);
CREATE INDEX alerts_by_time ON alerts (workspace_id, raised_at);

-- What figures are added up from, each found by its time. A node of the version before leaves these columns empty: what it writes counts
-- once it is written again.
ALTER TABLE processes ADD COLUMN ended_at BIGINT;
ALTER TABLE steps ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN completed_at BIGINT;
ALTER TABLE steps ADD COLUMN took_ms BIGINT;
ALTER TABLE attempts ADD COLUMN held_from BIGINT;
ALTER TABLE attempts ADD COLUMN held_until BIGINT;
ALTER TABLE interventions ADD COLUMN requested_at BIGINT;
ALTER TABLE interventions ADD COLUMN closed_at BIGINT;
UPDATE processes SET ended_at = (extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT;
UPDATE attempts SET held_from = (extract(epoch FROM (data::jsonb ->> 'acceptedAt')::timestamptz) * 1000000)::BIGINT;
UPDATE attempts SET held_until = (extract(epoch FROM (data::jsonb ->> 'endedAt')::timestamptz) * 1000000)::BIGINT WHERE held_from IS NOT NULL;
UPDATE interventions SET requested_at = (extract(epoch FROM (data::jsonb ->> 'requestedAt')::timestamptz) * 1000000)::BIGINT, closed_at = (extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT;
UPDATE steps SET name = data::jsonb ->> 'name';
UPDATE steps SET completed_at = (extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT, took_ms = ((extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT - COALESCE((extract(epoch FROM (data::jsonb ->> 'startedAt')::timestamptz) * 1000000)::BIGINT, (extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT)) / 1000
    WHERE status = 'completed' AND (extract(epoch FROM (data::jsonb ->> 'completedAt')::timestamptz) * 1000000)::BIGINT >=
    (SELECT (extract(epoch FROM (p.data::jsonb ->> 'initiatedAt')::timestamptz) * 1000000)::BIGINT FROM processes p WHERE p.id = steps.process_id);
CREATE INDEX processes_by_end ON processes (workspace_id, ended_at, status) WHERE ended_at IS NOT NULL;
CREATE INDEX steps_by_completion ON steps (workspace_id, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX attempts_by_end ON attempts (workspace_id, agent_id, held_until) WHERE held_until IS NOT NULL;
CREATE INDEX interventions_by_time ON interventions (workspace_id, requested_at);
CREATE INDEX alerts_by_time ON alerts (workspace_id, raised_at);

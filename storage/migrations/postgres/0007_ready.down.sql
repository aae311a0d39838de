CREATE INDEX steps_ready ON steps (workspace_id, priority, ready_at) WHERE phase = 'ready';
DROP INDEX steps_ready_by_team;

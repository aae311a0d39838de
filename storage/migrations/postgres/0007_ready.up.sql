-- The dispatcher asks team by team, so that a team at its limit costs nobody else a look at its steps.
CREATE INDEX steps_ready_by_team ON steps (team_id, priority DESC, ready_at, id) WHERE phase = 'ready';
DROP INDEX steps_ready;

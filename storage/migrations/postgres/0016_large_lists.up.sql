-- Names of rooms, to find those that a text is a part of. A process's room is not among them: it is called what its process is called, and
-- found by that.
CREATE TRIGGER rooms_named AFTER INSERT ON rooms FOR EACH ROW WHEN (NEW.type <> 'process') EXECUTE FUNCTION names_follow('room');
CREATE TRIGGER rooms_renamed AFTER UPDATE OF name ON rooms FOR EACH ROW WHEN (NEW.name <> OLD.name AND NEW.type <> 'process') EXECUTE FUNCTION names_follow('room');
CREATE TRIGGER rooms_gone AFTER DELETE ON rooms FOR EACH ROW WHEN (OLD.type <> 'process') EXECUTE FUNCTION names_follow('room');
INSERT INTO names (kind, id, workspace_id, name) SELECT 'room', id, workspace_id, LOWER(name) FROM rooms WHERE type <> 'process';
-- A list without filters is read in its own order, whatever else is in the store.
CREATE INDEX rooms_of_workspace ON rooms (workspace_id, id);
CREATE INDEX interventions_of_workspace ON interventions (workspace_id, id);
-- A team's own rooms, among those of its processes.
CREATE INDEX rooms_of_team ON rooms (workspace_id, team_id, type, id) WHERE type <> 'process';
-- What figures are added up from, without reading the rows: questions of a time, and processes that wait for an answer.
DROP INDEX interventions_by_time;
CREATE INDEX interventions_by_time ON interventions (workspace_id, status, requested_at, due_at, closed_at, process_id);
CREATE INDEX interventions_open ON interventions (workspace_id, process_id) WHERE status = 'pending';

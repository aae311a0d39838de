-- Each filter of a list finds its page without reading all there is. With the workspace in front, since every list asks for it.
-- A search by name reads the names alone, not the rows.
DROP INDEX processes_by_workspace;
CREATE INDEX processes_by_workspace ON processes (workspace_id, id, name);
CREATE INDEX processes_by_team ON processes (workspace_id, team_id, id);
CREATE INDEX processes_by_team_status ON processes (workspace_id, team_id, status, id);
CREATE INDEX rooms_by_process ON rooms (workspace_id, process_id, id) WHERE process_id IS NOT NULL;
CREATE INDEX rooms_by_team ON rooms (workspace_id, team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX interventions_by_type ON interventions (workspace_id, type, status, id);
CREATE INDEX interventions_of_process ON interventions (workspace_id, process_id, status, id);
CREATE INDEX interventions_by_due ON interventions (workspace_id, status, due_at);
-- Whose inbox a question is in. Whoever writes a question, this follows.
CREATE TABLE assigned (
    workspace_id TEXT NOT NULL,
    person TEXT NOT NULL,
    intervention_id UUID NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    PRIMARY KEY (workspace_id, person, intervention_id)
);
CREATE INDEX assigned_by_intervention ON assigned (intervention_id);
CREATE FUNCTION interventions_assign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM assigned WHERE intervention_id = NEW.id;
    END IF;
    INSERT INTO assigned SELECT DISTINCT NEW.workspace_id, person, NEW.id
    FROM json_array_elements_text(NEW.data::json -> 'assignees') AS person;
    RETURN NULL;
END
$$;
CREATE TRIGGER interventions_assigned AFTER INSERT ON interventions
FOR EACH ROW WHEN (NEW.assignees <> ',') EXECUTE FUNCTION interventions_assign();
CREATE TRIGGER interventions_reassigned AFTER UPDATE OF assignees ON interventions
FOR EACH ROW WHEN (NEW.assignees <> OLD.assignees) EXECUTE FUNCTION interventions_assign();
INSERT INTO assigned SELECT DISTINCT i.workspace_id, person, i.id
FROM interventions i, json_array_elements_text(i.data::json -> 'assignees') AS person;

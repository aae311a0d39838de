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
    intervention_id BLOB NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    PRIMARY KEY (workspace_id, person, intervention_id)
) STRICT;
CREATE INDEX assigned_by_intervention ON assigned (intervention_id);
CREATE TRIGGER interventions_assigned AFTER INSERT ON interventions WHEN new.assignees <> ',' BEGIN
    INSERT INTO assigned SELECT DISTINCT new.workspace_id, value, new.id FROM json_each(new.data, '$.assignees');
END;
CREATE TRIGGER interventions_reassigned AFTER UPDATE OF assignees ON interventions WHEN new.assignees <> old.assignees BEGIN
    DELETE FROM assigned WHERE intervention_id = new.id;
    INSERT INTO assigned SELECT DISTINCT new.workspace_id, value, new.id FROM json_each(new.data, '$.assignees');
END;
INSERT INTO assigned SELECT DISTINCT i.workspace_id, a.value, i.id FROM interventions i, json_each(i.data, '$.assignees') a;

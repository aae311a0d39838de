DROP INDEX alerts_by_team;
DROP INDEX alerts_by_type;
DROP INDEX alerts_by_severity_and_state;
DROP INDEX alerts_by_severity;
DROP INDEX alerts_by_state;
DROP INDEX interventions_by_due;
CREATE INDEX interventions_by_due ON interventions (workspace_id, due_at, id) WHERE status = 'pending';
DROP INDEX interventions_by_type;
CREATE INDEX interventions_by_type ON interventions (workspace_id, type, status, id);
DROP TRIGGER interventions_refiled;
DROP TRIGGER interventions_reassigned;
DROP TRIGGER interventions_assigned;
DROP TABLE assigned;
CREATE TABLE assigned (
    workspace_id TEXT NOT NULL,
    person TEXT NOT NULL,
    intervention_id BLOB NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    PRIMARY KEY (workspace_id, person, intervention_id)
) STRICT;
CREATE TRIGGER interventions_assigned AFTER INSERT ON interventions WHEN new.assignees <> ',' BEGIN
    INSERT INTO assigned SELECT DISTINCT new.workspace_id, value, new.id FROM json_each(new.data, '$.assignees');
END;
CREATE TRIGGER interventions_reassigned AFTER UPDATE OF assignees ON interventions WHEN new.assignees <> old.assignees BEGIN
    DELETE FROM assigned WHERE intervention_id = new.id;
    INSERT INTO assigned SELECT DISTINCT new.workspace_id, value, new.id FROM json_each(new.data, '$.assignees');
END;
INSERT INTO assigned SELECT DISTINCT i.workspace_id, a.value, i.id
FROM interventions i, json_each(i.data, '$.assignees') a WHERE i.assignees <> ',';
CREATE INDEX assigned_by_intervention ON assigned (intervention_id);

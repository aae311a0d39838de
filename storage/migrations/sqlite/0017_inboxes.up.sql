-- Whose inbox a question is in, with what lists of an inbox ask for: so that a page of it is read from an index, whatever else is in the inbox. It is
-- made anew, as it follows from the questions.
DROP TRIGGER interventions_reassigned;
DROP TRIGGER interventions_assigned;
DROP TABLE assigned;
CREATE TABLE assigned (
    workspace_id TEXT NOT NULL,
    person TEXT NOT NULL,
    intervention_id BLOB NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    type TEXT NOT NULL,
    due_at INTEGER,
    PRIMARY KEY (workspace_id, person, intervention_id)
) STRICT;
CREATE TRIGGER interventions_assigned AFTER INSERT ON interventions WHEN new.assignees <> ',' BEGIN
    INSERT INTO assigned (workspace_id, person, intervention_id, status, type, due_at) SELECT DISTINCT new.workspace_id, value, new.id, new.status, new.type, new.due_at
    FROM json_each(new.data, '$.assignees');
END;
CREATE TRIGGER interventions_reassigned AFTER UPDATE OF assignees ON interventions WHEN new.assignees <> old.assignees BEGIN
    DELETE FROM assigned WHERE intervention_id = new.id;
    INSERT INTO assigned (workspace_id, person, intervention_id, status, type, due_at) SELECT DISTINCT new.workspace_id, value, new.id, new.status, new.type, new.due_at
    FROM json_each(new.data, '$.assignees');
END;
CREATE TRIGGER interventions_refiled AFTER UPDATE OF status, type, due_at ON interventions
WHEN new.assignees <> ',' AND new.assignees = old.assignees
    AND (new.status <> old.status OR new.type <> old.type OR new.due_at IS NOT old.due_at) BEGIN
    UPDATE assigned SET status = new.status, type = new.type, due_at = new.due_at WHERE intervention_id = new.id;
END;
INSERT INTO assigned SELECT DISTINCT i.workspace_id, a.value, i.id, i.status, i.type, i.due_at
FROM interventions i, json_each(i.data, '$.assignees') a WHERE i.assignees <> ',';
CREATE INDEX assigned_by_intervention ON assigned (intervention_id);
-- By what it is, in the list's order; and what is open, by when it is due. When it is due is known without reading the question.
CREATE INDEX assigned_by_status ON assigned (workspace_id, person, status, type, intervention_id, due_at);
CREATE INDEX assigned_by_due ON assigned (workspace_id, person, type, due_at, intervention_id) WHERE status = 'pending';
-- The same for all questions.
DROP INDEX interventions_by_type;
CREATE INDEX interventions_by_type ON interventions (workspace_id, type, status, id, due_at);
DROP INDEX interventions_by_due;
CREATE INDEX interventions_by_due ON interventions (workspace_id, type, due_at, id) WHERE status = 'pending';
-- Alerts by what lists of them ask for.
CREATE INDEX alerts_by_state ON alerts (workspace_id, resolved, id);
CREATE INDEX alerts_by_severity ON alerts (workspace_id, severity, id);
CREATE INDEX alerts_by_severity_and_state ON alerts (workspace_id, severity, resolved, id);
CREATE INDEX alerts_by_type ON alerts (workspace_id, type, id);
CREATE INDEX alerts_by_team ON alerts (workspace_id, team_id, id);

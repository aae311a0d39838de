-- Whose inbox a question is in, with what lists of an inbox ask for: so that a page of it is read from an index, whatever else is in the inbox. It is
-- made anew, as it follows from the questions.
DROP TABLE assigned;
CREATE TABLE assigned (
    workspace_id TEXT NOT NULL,
    person TEXT NOT NULL,
    intervention_id UUID NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    type TEXT NOT NULL,
    due_at BIGINT,
    PRIMARY KEY (workspace_id, person, intervention_id)
);
CREATE OR REPLACE FUNCTION interventions_assign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM assigned WHERE intervention_id = NEW.id;
    END IF;
    INSERT INTO assigned (workspace_id, person, intervention_id, status, type, due_at) SELECT DISTINCT NEW.workspace_id, person, NEW.id, NEW.status, NEW.type, NEW.due_at
    FROM json_array_elements_text(NEW.data::json -> 'assignees') AS person;
    RETURN NULL;
END
$$;
CREATE FUNCTION interventions_refile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE assigned SET status = NEW.status, type = NEW.type, due_at = NEW.due_at WHERE intervention_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER interventions_refiled AFTER UPDATE OF status, type, due_at ON interventions
FOR EACH ROW WHEN (NEW.assignees <> ',' AND NEW.assignees = OLD.assignees
    AND (NEW.status, NEW.type, NEW.due_at) IS DISTINCT FROM (OLD.status, OLD.type, OLD.due_at))
EXECUTE FUNCTION interventions_refile();
INSERT INTO assigned SELECT DISTINCT i.workspace_id, person, i.id, i.status, i.type, i.due_at
FROM interventions i, json_array_elements_text(i.data::json -> 'assignees') AS person WHERE i.assignees <> ',';
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

DROP INDEX alerts_by_team;
DROP INDEX alerts_by_type;
DROP INDEX alerts_by_severity_and_state;
DROP INDEX alerts_by_severity;
DROP INDEX alerts_by_state;
DROP INDEX interventions_by_due;
CREATE INDEX interventions_by_due ON interventions (workspace_id, due_at, id) WHERE status = 'pending';
DROP INDEX interventions_by_type;
CREATE INDEX interventions_by_type ON interventions (workspace_id, type, status, id);
DROP TRIGGER interventions_refiled ON interventions;
DROP FUNCTION interventions_refile();
DROP TABLE assigned;
CREATE TABLE assigned (
    workspace_id TEXT NOT NULL,
    person TEXT NOT NULL,
    intervention_id UUID NOT NULL REFERENCES interventions (id) ON DELETE CASCADE,
    PRIMARY KEY (workspace_id, person, intervention_id)
);
CREATE OR REPLACE FUNCTION interventions_assign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM assigned WHERE intervention_id = NEW.id;
    END IF;
    INSERT INTO assigned SELECT DISTINCT NEW.workspace_id, person, NEW.id
    FROM json_array_elements_text(NEW.data::json -> 'assignees') AS person;
    RETURN NULL;
END
$$;
INSERT INTO assigned SELECT DISTINCT i.workspace_id, person, i.id
FROM interventions i, json_array_elements_text(i.data::json -> 'assignees') AS person WHERE i.assignees <> ',';
CREATE INDEX assigned_by_intervention ON assigned (intervention_id);

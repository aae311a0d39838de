DROP INDEX interventions_by_kind;
DROP INDEX interventions_by_due;
CREATE INDEX interventions_by_due ON interventions (workspace_id, status, due_at);

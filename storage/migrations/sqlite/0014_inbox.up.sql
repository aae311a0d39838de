-- What is overdue, and what is of one type whatever became of it, is found without reading what is not.
DROP INDEX interventions_by_due;
CREATE INDEX interventions_by_due ON interventions (workspace_id, due_at, id) WHERE status = 'pending';
CREATE INDEX interventions_by_kind ON interventions (workspace_id, type, id);

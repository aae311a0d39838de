-- What an agent holds apart from all else that is due: each is looked for by itself, and very many of one must not hide the other.
DROP INDEX timers_by_due;
CREATE INDEX timers_by_due ON timers (due) WHERE NOT (key LIKE 'lease:%' OR key LIKE 'offer:%');
CREATE INDEX timers_of_holders ON timers (due) WHERE (key LIKE 'lease:%' OR key LIKE 'offer:%');

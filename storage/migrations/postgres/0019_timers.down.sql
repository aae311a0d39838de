DROP INDEX timers_of_holders;
DROP INDEX timers_by_due;
CREATE INDEX timers_by_due ON timers (due);

-- Only Postgres needs it: here a foreign key costs a look into the same file.
SELECT 1;

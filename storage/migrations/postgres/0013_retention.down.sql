ALTER TABLE store DROP COLUMN retention_until;
DROP INDEX rooms_shared;
DROP TABLE bases;
DROP TABLE retention;

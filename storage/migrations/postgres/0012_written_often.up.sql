-- What is written most often. Postgres checks a foreign key with a query and a row lock of its own for each row, which is a third of what a
-- message costs. The rows of these tables are written by the statement that moves their room's head, so the room is there.
ALTER TABLE events DROP CONSTRAINT events_room_id_fkey;
ALTER TABLE messages DROP CONSTRAINT messages_room_id_fkey;
ALTER TABLE timers DROP CONSTRAINT timers_room_id_fkey;
-- Room in each page for the next version of a row, so that its indexes stay as they are.
ALTER TABLE rooms SET (fillfactor = 60);
ALTER TABLE processes SET (fillfactor = 60);

DROP INDEX messages_by_time;
DROP INDEX messages_by_words;
ALTER TABLE messages DROP COLUMN words;
ALTER TABLE messages DROP COLUMN edited_at;
ALTER TABLE messages DROP COLUMN mentions;

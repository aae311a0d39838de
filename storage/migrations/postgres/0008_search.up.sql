-- What an edit changed beside the body.
ALTER TABLE messages ADD COLUMN mentions TEXT;
ALTER TABLE messages ADD COLUMN edited_at BIGINT;
-- The words of a body. Punctuation parts words, as it does on SQLite, so that the words of an address or a file name are found too. Case does
-- not matter in any script, whatever the locale of the database, where Postgres was built with ICU (all that are packaged are).
DO $$
DECLARE
    -- A regular expression: `translate` looks through its whole list for each character, which takes ten times as long as all the rest.
    plain TEXT := $plain$regexp_replace(body, E'[\\]\\[!"#$%&\'()*+,./:;<=>?@\\\\^_`{|}~\u00a0\u00a1\u00ab\u00b7\u00bb\u00bf\u2010\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2022\u2026\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f-]', ' ', 'g')$plain$;
BEGIN
    IF EXISTS (
        SELECT 1 FROM pg_collation
        WHERE collname = 'und-x-icu' AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
    ) THEN
        plain := format('lower(%s COLLATE "und-x-icu")', plain);
    END IF;
    EXECUTE format(
        $add$ALTER TABLE messages ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', %s)) STORED$add$, plain);
END
$$;
CREATE INDEX messages_by_words ON messages USING GIN (words);
CREATE INDEX messages_by_time ON messages (workspace_id, at, seq);

CREATE TABLE store (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL
) STRICT;
INSERT INTO store (id, level) VALUES (1, 1);
CREATE TABLE restores (
    from_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL
) STRICT;

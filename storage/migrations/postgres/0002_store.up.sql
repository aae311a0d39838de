CREATE TABLE store (
    id BIGINT PRIMARY KEY,
    level BIGINT NOT NULL
);
INSERT INTO store (id, level) VALUES (1, 1);
CREATE TABLE restores (
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);

DROP TABLE restores;
DROP TABLE store;

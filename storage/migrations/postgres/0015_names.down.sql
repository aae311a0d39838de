DROP INDEX audit_refused;
DROP TRIGGER processes_renamed ON processes;
DROP TRIGGER processes_named ON processes;
DROP TRIGGER teams_renamed ON teams;
DROP TRIGGER teams_named ON teams;
DROP TABLE names;
DROP FUNCTION names_follow();
DROP FUNCTION name_pieces(TEXT, TEXT, TEXT);

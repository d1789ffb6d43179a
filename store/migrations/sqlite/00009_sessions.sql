-- +goose Up

-- Links to sign in with to the web view, and who is signed in. Only hashes of the tokens are kept.
CREATE TABLE logins (
    hash   TEXT PRIMARY KEY,
    member TEXT NOT NULL,
    used   TIMESTAMP NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_used ON logins (used);
CREATE TABLE sessions (
    hash   TEXT PRIMARY KEY,
    member TEXT NOT NULL,
    used   TIMESTAMP NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_used ON sessions (used);
CREATE INDEX present_member ON present (member);

-- +goose Up

-- What members are to do.
CREATE TABLE todos (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name   TEXT NOT NULL,
    text         TEXT NOT NULL,
    owner        TEXT NOT NULL,
    by_member    TEXT NOT NULL,
    due          TIMESTAMP, -- NULL: at no time
    conversation INTEGER NOT NULL,
    contact      INTEGER NOT NULL,
    made         TIMESTAMP,
    done         TIMESTAMP, -- NULL: it is open
    done_by      TEXT NOT NULL,
    reminded     BOOLEAN NOT NULL, -- that it is due now was said
    times        INTEGER NOT NULL
);
CREATE INDEX todos_due ON todos (due) WHERE done IS NULL AND NOT reminded AND due IS NOT NULL;
CREATE INDEX todos_owner ON todos (group_name, owner) WHERE done IS NULL;
CREATE INDEX todos_conversation ON todos (conversation) WHERE conversation <> 0;
CREATE INDEX todos_contact ON todos (contact) WHERE contact <> 0;

ALTER TABLE posts ADD COLUMN todo INTEGER NOT NULL DEFAULT 0;
CREATE INDEX posts_todo ON posts (todo) WHERE todo <> 0;

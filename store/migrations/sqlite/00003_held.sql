-- +goose Up
ALTER TABLE conversations ADD held_for TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD flood INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conversations_flood ON conversations (group_name, state, id) WHERE flood <> 0;
CREATE INDEX posts_made ON posts (board, kind, made);
CREATE INDEX replies_stuck ON replies (group_name, state) WHERE state IN ('failed', 'asking');
CREATE INDEX mails_mailbox ON mails (mailbox, id) WHERE direction = 'in';

CREATE TABLE troubles (
    name       TEXT PRIMARY KEY,
    group_name TEXT NOT NULL,
    what       TEXT NOT NULL,
    says       TEXT NOT NULL,
    cure       TEXT NOT NULL,
    soon       BOOLEAN NOT NULL,
    since      TIMESTAMP,
    told       TIMESTAMP,
    ended      TIMESTAMP,
    note       TEXT NOT NULL
);

-- What a delivery report says.
ALTER TABLE mails ADD report TEXT NOT NULL DEFAULT '';
ALTER TABLE mails ADD report_says TEXT NOT NULL DEFAULT '';
ALTER TABLE mails ADD report_mark TEXT NOT NULL DEFAULT '';
ALTER TABLE mails ADD delay BOOLEAN NOT NULL DEFAULT FALSE;

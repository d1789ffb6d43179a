-- +goose Up
ALTER TABLE conversations ADD held_for text NOT NULL DEFAULT '', ADD flood bigint NOT NULL DEFAULT 0;
CREATE INDEX conversations_flood ON conversations (group_name, state, id) WHERE flood <> 0;
CREATE INDEX posts_made ON posts (board, kind, made);
CREATE INDEX replies_stuck ON replies (group_name, state) WHERE state IN ('failed', 'asking');
CREATE INDEX mails_mailbox ON mails (mailbox, id) WHERE direction = 'in';

CREATE TABLE troubles (
    name       text PRIMARY KEY,
    group_name text NOT NULL,
    what       text NOT NULL,
    says       text NOT NULL,
    cure       text NOT NULL,
    soon       boolean NOT NULL,
    since      timestamptz,
    told       timestamptz,
    ended      timestamptz,
    note       text NOT NULL
);

-- What a delivery report says.
ALTER TABLE mails ADD report text NOT NULL DEFAULT '';
ALTER TABLE mails ADD report_says text NOT NULL DEFAULT '';
ALTER TABLE mails ADD report_mark text NOT NULL DEFAULT '';
ALTER TABLE mails ADD delay boolean NOT NULL DEFAULT FALSE;

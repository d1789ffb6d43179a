-- +goose Up

-- When somebody was asked whether a conversation goes on; NULL: not since it last went on.
ALTER TABLE conversations ADD COLUMN reminded TIMESTAMP;
CREATE INDEX conversations_reminded ON conversations (group_name, state, reminded) WHERE reminded IS NOT NULL;
CREATE INDEX conversations_unasked ON conversations (group_name, touched) WHERE state = 'waiting' AND reminded IS NULL;

-- What lies idle already is found anew, and its owners are reminded.
UPDATE conversations SET overdue = FALSE WHERE state = 'taken' AND overdue;

-- +goose Up

-- When the content of a conversation was erased; NULL: it is there.
ALTER TABLE conversations ADD COLUMN erased timestamptz;
CREATE INDEX conversations_unerased ON conversations (group_name, state, since) WHERE erased IS NULL;
CREATE INDEX conversations_joined ON conversations (joined_to) WHERE joined_to <> 0;

-- +goose Up

-- What was done, the last first.
CREATE INDEX todos_done ON todos (group_name, done, id) WHERE done IS NOT NULL;

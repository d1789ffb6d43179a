-- +goose Up

-- Who has something open of a group, in none of whose channels they are any more.
CREATE TABLE leavers (
    group_name text NOT NULL,
    member     text NOT NULL,
    since      timestamptz NOT NULL,
    told       timestamptz, -- NULL: not yet
    PRIMARY KEY (group_name, member)
);

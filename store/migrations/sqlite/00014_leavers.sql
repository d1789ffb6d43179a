-- +goose Up

-- Who has something open of a group, in none of whose channels they are any more.
CREATE TABLE leavers (
    group_name TEXT NOT NULL,
    member     TEXT NOT NULL,
    since      TIMESTAMP NOT NULL,
    told       TIMESTAMP, -- NULL: not yet
    PRIMARY KEY (group_name, member)
);

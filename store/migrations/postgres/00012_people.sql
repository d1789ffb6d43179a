-- +goose Up

-- What members say of themselves, and until when it counts; NULL: until they change it.
ALTER TABLE members ADD COLUMN status text NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN away_until timestamptz;
ALTER TABLE members ADD COLUMN away boolean NOT NULL DEFAULT FALSE;
ALTER TABLE members ADD COLUMN zone text NOT NULL DEFAULT '';

-- +goose Up

-- What members say of themselves, and until when it counts; NULL: until they change it.
ALTER TABLE members ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN away_until TIMESTAMP;
ALTER TABLE members ADD COLUMN away BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE members ADD COLUMN zone TEXT NOT NULL DEFAULT '';

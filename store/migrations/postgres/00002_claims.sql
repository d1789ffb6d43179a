-- +goose Up

-- A reply that is being sent is claimed by a lease, as mailboxes are.
ALTER TABLE replies DROP COLUMN lease_until;

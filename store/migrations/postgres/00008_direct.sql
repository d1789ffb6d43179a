-- +goose Up

-- For whom alone a post is; empty: for everybody on the board.
ALTER TABLE posts ADD COLUMN to_member text NOT NULL DEFAULT '';

-- +goose Up

-- Pages as they are now; each state of one is a revision.
CREATE TABLE pages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL,
    slug       TEXT NOT NULL,
    title      TEXT NOT NULL,
    title_key  TEXT NOT NULL, -- the title without case
    contact    INTEGER NOT NULL,
    text       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    made       TIMESTAMP,
    changed    TIMESTAMP,
    by_member  TEXT NOT NULL
);
CREATE UNIQUE INDEX pages_slug ON pages (group_name, slug);
CREATE INDEX pages_title ON pages (group_name, title_key);
CREATE UNIQUE INDEX pages_contact ON pages (contact) WHERE contact <> 0;
CREATE INDEX pages_changed ON pages (group_name, changed DESC, id DESC);

CREATE TABLE revisions (
    page      INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    title     TEXT NOT NULL,
    text      TEXT NOT NULL,
    at        TIMESTAMP,
    by_member TEXT NOT NULL,
    why       TEXT NOT NULL,
    PRIMARY KEY (page, number)
);
-- +goose StatementBegin
CREATE TRIGGER revisions_update BEFORE UPDATE ON revisions BEGIN
    SELECT RAISE(ABORT, 'what was written only grows');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER revisions_delete BEFORE DELETE ON revisions BEGIN
    SELECT RAISE(ABORT, 'what was written only grows');
END;
-- +goose StatementEnd

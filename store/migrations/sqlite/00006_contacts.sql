-- +goose Up

CREATE TABLE contacts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name   TEXT NOT NULL,
    name         TEXT NOT NULL,
    organisation TEXT NOT NULL,
    addresses    TEXT NOT NULL,
    phones       TEXT NOT NULL,
    numbers      TEXT NOT NULL,
    into_contact INTEGER NOT NULL,
    made         TIMESTAMP,
    by_member    TEXT NOT NULL,
    version      INTEGER NOT NULL,
    name_words   TEXT NOT NULL, -- the name as words are compared: without case and accents
    words        TEXT NOT NULL  -- all that it is looked for by, a blank before each word
);
CREATE INDEX contacts_name ON contacts (group_name, name_words, id) WHERE into_contact = 0;
CREATE INDEX contacts_into ON contacts (into_contact) WHERE into_contact <> 0;

-- What contacts are found by. Only phones may be shared.
CREATE TABLE contact_keys (
    group_name TEXT NOT NULL,
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    contact    INTEGER NOT NULL,
    PRIMARY KEY (group_name, kind, key, contact)
) WITHOUT ROWID;
CREATE UNIQUE INDEX contact_keys_one ON contact_keys (group_name, kind, key) WHERE kind <> 'phone';
CREATE INDEX contact_keys_contact ON contact_keys (contact);

CREATE TABLE watchers (
    contact INTEGER NOT NULL,
    member  TEXT NOT NULL,
    PRIMARY KEY (contact, member)
) WITHOUT ROWID;

ALTER TABLE conversations ADD contact INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD perhaps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD match TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD matched TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD proof TEXT NOT NULL DEFAULT '';
CREATE INDEX conversations_contact ON conversations (contact, id) WHERE contact <> 0;
CREATE INDEX conversations_with ON conversations (group_name, lower(with_addr), id);

ALTER TABLE mails ADD contact INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mails ADD proof TEXT NOT NULL DEFAULT '';
-- By -id, since a plan that looks for a contact's newest by walking through all mails would be thought cheap.
CREATE INDEX mails_contact ON mails (contact, (-id)) WHERE contact <> 0;

ALTER TABLE events ADD contact INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_contact ON events (contact, id) WHERE contact <> 0;

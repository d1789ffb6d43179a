-- +goose Up

-- What can be searched for, as plain words with blanks between,, apart from what it is of: made from it soon after each change. The rowid is four
-- times the id, and the kind: 0 a mail, 1 a conversation without mail, 2 a page, 3 a contact.
CREATE VIRTUAL TABLE search_words USING fts5 (title, sender, recipients, words, content='', contentless_delete=1, prefix='2 3', tokenize='ascii');
CREATE TABLE search_groups (
    doc        INTEGER PRIMARY KEY,
    group_name TEXT NOT NULL
);

-- What is yet to be looked through. It may be here more than once: whoever works it deletes what it has read.
CREATE TABLE search_owed (
    id  INTEGER PRIMARY KEY AUTOINCREMENT,
    doc INTEGER NOT NULL
);
INSERT INTO search_owed (doc) SELECT id * 4 FROM mails ORDER BY id;
INSERT INTO search_owed (doc) SELECT id * 4 + 1 FROM conversations WHERE mailbox = '' ORDER BY id;
INSERT INTO search_owed (doc) SELECT id * 4 + 2 FROM pages ORDER BY id;
INSERT INTO search_owed (doc) SELECT id * 4 + 3 FROM contacts ORDER BY id;

CREATE INDEX mails_newest ON mails (group_name, id);

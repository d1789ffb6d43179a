-- +goose Up

-- There are no foreign keys: an id of 0 means "none", and whoever writes a row of a conversation
-- holds that conversation's lock. Times are NULL where the noun's time is zero.

CREATE TABLE conversations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL,
    number     INTEGER NOT NULL,
    state      TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    subject    TEXT NOT NULL,
    with_name  TEXT NOT NULL,
    with_addr  TEXT NOT NULL,
    mailbox    TEXT NOT NULL,
    note       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    last_owner TEXT NOT NULL,
    since      TIMESTAMP,
    opened     TIMESTAMP,
    closed     TIMESTAMP,
    closed_by  TEXT NOT NULL,
    touched    TIMESTAMP,
    waits      TIMESTAMP,
    overdue    BOOLEAN NOT NULL,
    mentions   INTEGER NOT NULL,
    joined_to  INTEGER NOT NULL,
    first_mail INTEGER NOT NULL,
    last_mail  INTEGER NOT NULL,
    mails      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    files      INTEGER NOT NULL,
    new_name   TEXT NOT NULL,
    new_addr   TEXT NOT NULL
);
CREATE UNIQUE INDEX conversations_number ON conversations (number) WHERE number <> 0;
CREATE INDEX conversations_waits ON conversations (group_name, state, waits, id);
CREATE INDEX conversations_since ON conversations (group_name, state, since DESC, id DESC);
CREATE INDEX conversations_newest ON conversations (group_name, since DESC, id DESC);
CREATE INDEX conversations_owner ON conversations (owner, state) WHERE owner <> '';

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('ticket', 0);

CREATE TABLE mails (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name     TEXT NOT NULL,
    mailbox        TEXT NOT NULL,
    conversation   INTEGER NOT NULL,
    direction      TEXT NOT NULL,
    message_id     TEXT NOT NULL,
    in_reply_to    TEXT NOT NULL,
    refs           TEXT NOT NULL,
    from_name      TEXT NOT NULL,
    from_addr      TEXT NOT NULL,
    to_addrs       TEXT NOT NULL,
    cc_addrs       TEXT NOT NULL,
    reply_to       TEXT NOT NULL,
    author_name    TEXT NOT NULL,
    author_addr    TEXT NOT NULL,
    subject        TEXT NOT NULL,
    sent           TIMESTAMP,
    received       TIMESTAMP,
    ticket_ref     INTEGER NOT NULL,
    text           TEXT NOT NULL,
    reply          TEXT NOT NULL,
    html           TEXT NOT NULL,
    attachments    TEXT NOT NULL,
    auto_reply     BOOLEAN NOT NULL,
    bounce         BOOLEAN NOT NULL,
    auto_generated BOOLEAN NOT NULL,
    no_auto_answer BOOLEAN NOT NULL,
    spam           BOOLEAN NOT NULL,
    priority       text NOT NULL DEFAULT '',
    ours           TEXT NOT NULL,
    fault          TEXT NOT NULL,
    digest         TEXT NOT NULL,
    raw            INTEGER NOT NULL,
    size           INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    by_member      TEXT NOT NULL,
    new_person     BOOLEAN NOT NULL,
    fingerprint    TEXT -- NULL: a reply of ours
);
CREATE UNIQUE INDEX mails_fingerprint ON mails (group_name, fingerprint);
CREATE INDEX mails_conversation ON mails (conversation, id);
CREATE INDEX mails_raw ON mails (raw) WHERE raw <> 0;

-- People with a part in a conversation; addr_key is the address without case.
CREATE TABLE participants (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL,
    addr_key     TEXT NOT NULL,
    name         TEXT NOT NULL,
    addr         TEXT NOT NULL
);
CREATE UNIQUE INDEX participants_addr ON participants (conversation, addr_key);

-- Message-IDs of a group and the conversations they belong to.
CREATE TABLE message_ids (
    group_name   TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    own          BOOLEAN NOT NULL,
    PRIMARY KEY (group_name, message_id)
) WITHOUT ROWID;
CREATE INDEX message_ids_conversation ON message_ids (conversation);

-- Places where a mail was seen on its server.
CREATE TABLE sightings (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox  TEXT NOT NULL,
    validity TEXT NOT NULL,
    uid      TEXT NOT NULL,
    mail     INTEGER NOT NULL,
    faults   INTEGER NOT NULL,
    error    TEXT NOT NULL,
    at       TIMESTAMP,
    due      TEXT NOT NULL,
    settled  BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX sightings_place ON sightings (mailbox, validity, uid);
CREATE INDEX sightings_mail ON sightings (mail) WHERE mail <> 0;
CREATE INDEX sightings_due ON sightings (mailbox, id) WHERE due <> '' AND NOT settled;

CREATE TABLE boxes (
    mailbox      TEXT PRIMARY KEY,
    validity     TEXT NOT NULL,
    first_uid    INTEGER NOT NULL,
    window_since TIMESTAMP,
    count        INTEGER NOT NULL,
    looked       TIMESTAMP,
    decided      TEXT NOT NULL,
    decided_by   TEXT NOT NULL
) WITHOUT ROWID;

-- Everything that is on a board or owed to it.
CREATE TABLE posts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    group_name   TEXT NOT NULL,
    board        TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    mail         INTEGER NOT NULL,
    reply        INTEGER NOT NULL,
    event        INTEGER NOT NULL,
    subject      TEXT NOT NULL,
    root         INTEGER NOT NULL,
    message      TEXT NOT NULL,
    want         INTEGER NOT NULL,
    shown        INTEGER NOT NULL,
    gone         BOOLEAN NOT NULL,
    made         TIMESTAMP,
    lease_by     TEXT NOT NULL,
    lease_until  TIMESTAMP,
    retry_at     TIMESTAMP
);
CREATE INDEX posts_owed ON posts (id) WHERE shown < want AND NOT gone;
CREATE INDEX posts_thread ON posts (root, id) WHERE root <> 0 AND message = '' AND NOT gone;
CREATE INDEX posts_message ON posts (board, message);
CREATE INDEX posts_root ON posts (root) WHERE root <> 0;
CREATE INDEX posts_conversation ON posts (conversation, kind) WHERE conversation <> 0;
CREATE INDEX posts_reply ON posts (reply) WHERE reply <> 0;

CREATE TABLE replies (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL,
    group_name   TEXT NOT NULL,
    mailbox      TEXT NOT NULL,
    by_member    TEXT NOT NULL,
    state        TEXT NOT NULL,
    why          TEXT NOT NULL,
    from_name    TEXT NOT NULL,
    from_addr    TEXT NOT NULL,
    to_addrs     TEXT NOT NULL,
    cc_addrs     TEXT NOT NULL,
    subject      TEXT NOT NULL,
    text         TEXT NOT NULL,
    signature    TEXT NOT NULL,
    files        TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    mark         TEXT NOT NULL,
    in_reply_to  TEXT NOT NULL,
    refs         TEXT NOT NULL,
    close_as     TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    origin       TEXT NOT NULL,
    created      TIMESTAMP,
    due          TIMESTAMP,
    sent_at      TIMESTAMP,
    attempts     INTEGER NOT NULL,
    maybe_sent   BOOLEAN NOT NULL,
    lease_until  TIMESTAMP,
    error        TEXT NOT NULL,
    raw          INTEGER NOT NULL,
    mail         INTEGER NOT NULL
);
CREATE INDEX replies_conversation ON replies (conversation, state, id);
CREATE INDEX replies_origin ON replies (origin, id) WHERE origin <> '';
CREATE UNIQUE INDEX replies_mark ON replies (mark) WHERE mark <> '';
CREATE INDEX replies_raw ON replies (raw) WHERE raw <> 0;
CREATE INDEX replies_files ON replies (id) WHERE files <> '[]';

-- The action log.
CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           TIMESTAMP,
    group_name   TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    member       TEXT NOT NULL,
    move         TEXT NOT NULL,
    detail       TEXT NOT NULL,
    mail         INTEGER NOT NULL,
    reply        INTEGER NOT NULL
);
CREATE INDEX events_conversation ON events (conversation, id);
-- +goose StatementBegin
CREATE TRIGGER events_update BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'the action log only grows');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'the action log only grows');
END;
-- +goose StatementEnd

-- Keys of inbound events that were carried out.
CREATE TABLE event_keys (
    key TEXT PRIMARY KEY,
    at  TIMESTAMP NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_keys_at ON event_keys (at);

CREATE TABLE members (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    handle    TEXT NOT NULL,
    email     TEXT NOT NULL,
    from_name TEXT NOT NULL,
    signature TEXT NOT NULL,
    replied   BOOLEAN NOT NULL
) WITHOUT ROWID;

CREATE TABLE present (
    group_name TEXT NOT NULL,
    board      TEXT NOT NULL,
    member     TEXT NOT NULL,
    PRIMARY KEY (group_name, board, member)
) WITHOUT ROWID;

CREATE TABLE blobs (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    size INTEGER NOT NULL, -- -1: not all chunks are here yet
    made TIMESTAMP NOT NULL
);
CREATE INDEX blobs_made ON blobs (made);

CREATE TABLE chunks (
    blob  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (blob, seq)
);

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  TIMESTAMP NOT NULL
) WITHOUT ROWID;

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursors (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

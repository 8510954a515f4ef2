-- Times are Unix milliseconds (UTC). Secrets are keyed hashes (HMAC-SHA-256); the key is a file beside the database.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE templates (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What is in this table is the board's identity and survives a release; what belongs to an owner is keyed by epoch.
CREATE TABLE devices (
    seq           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    template_id   TEXT NOT NULL REFERENCES templates (id),
    name          TEXT NOT NULL,
    uid           TEXT,
    hotspot_name  TEXT,
    epoch         INTEGER NOT NULL CHECK (epoch >= 1),
    ownership     TEXT NOT NULL CHECK (ownership IN ('reserved', 'owned', 'releasing', 'released')),
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER,
    fw_version    TEXT,
    fw_kind       TEXT,
    fw_build      TEXT,
    fw_library    TEXT,
    fw_board      TEXT,
    fw_heartbeat_s INTEGER
) STRICT;

CREATE TABLE ownerships (
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch       INTEGER NOT NULL,
    reserved_at INTEGER NOT NULL,
    owned_at    INTEGER,
    release_requested_at INTEGER,
    PRIMARY KEY (device_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    device_id      TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch          INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'inferred', 'confirmed')),
    requested_at   INTEGER NOT NULL,
    finished_at    INTEGER,
    last_seen_at   INTEGER,
    attempts       INTEGER NOT NULL,
    contradictions INTEGER NOT NULL,
    order_reached_live_board INTEGER NOT NULL CHECK (order_reached_live_board IN (0, 1)),
    PRIMARY KEY (device_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE provisioning_sessions (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    template_id TEXT NOT NULL REFERENCES templates (id),
    device_name TEXT,
    state       TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'expired', 'cancelled')),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    device_id   TEXT REFERENCES devices (id) ON DELETE SET NULL
) STRICT;

CREATE INDEX provisioning_sessions_open ON provisioning_sessions (expires_at) WHERE state = 'open';
CREATE INDEX provisioning_sessions_device ON provisioning_sessions (device_id) WHERE device_id IS NOT NULL;

CREATE TABLE session_steps (
    seq        INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES provisioning_sessions (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    step       TEXT NOT NULL,
    code       INTEGER,
    message    TEXT NOT NULL
) STRICT;

CREATE INDEX session_steps_session ON session_steps (session_id, seq);

-- A token is never deleted: a board may present it years later, and "unknown" must stay the rare case.
CREATE TABLE tokens (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'session', 'tombstone', 'revoked')),
    device_id  TEXT REFERENCES devices (id),
    epoch      INTEGER,
    session_id TEXT REFERENCES provisioning_sessions (id),
    created_at INTEGER NOT NULL,
    CHECK ((kind IN ('device', 'tombstone')) = (device_id IS NOT NULL AND epoch IS NOT NULL)),
    CHECK ((kind = 'session') = (session_id IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_device ON tokens (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX tokens_session ON tokens (session_id) WHERE session_id IS NOT NULL;

-- `value` is the fields joined by NUL, as they travel.
CREATE TABLE values_last (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    pin       INTEGER NOT NULL CHECK (pin BETWEEN 0 AND 255),
    value     BLOB NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (device_id, epoch, pin)
) STRICT, WITHOUT ROWID;

CREATE TABLE metadata (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    field     TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (device_id, epoch, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE unknown_tokens (
    fingerprint   TEXT PRIMARY KEY,
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    remote        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX unknown_tokens_last_seen ON unknown_tokens (last_seen_at);

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency_keys (
    key          TEXT PRIMARY KEY,
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
    nonce        BLOB NOT NULL CHECK (length(nonce) = 16),
    status       INTEGER,
    body         TEXT,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE sign_in_codes (
    hash       BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE console_sessions (
    hash       BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

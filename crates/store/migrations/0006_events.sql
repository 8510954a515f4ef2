-- Events of templates, statuses and timelines of devices, and notifications that wait to be delivered.

CREATE TABLE template_events (
    template_id    TEXT NOT NULL REFERENCES templates (id),
    code           TEXT NOT NULL,
    name           TEXT NOT NULL,
    type           TEXT NOT NULL CHECK (type IN ('info', 'warning', 'critical', 'content')),
    description    TEXT NOT NULL,
    is_on_timeline INTEGER NOT NULL CHECK (is_on_timeline IN (0, 1)),
    sends_email    INTEGER NOT NULL CHECK (sends_email IN (0, 1)),
    calls_webhooks INTEGER NOT NULL CHECK (calls_webhooks IN (0, 1)),
    limit_period_s INTEGER,
    after_count    INTEGER NOT NULL,
    PRIMARY KEY (template_id, code)
) STRICT, WITHOUT ROWID;

-- A template without rows has the lifecycle that the code gives by default.
CREATE TABLE template_statuses (
    template_id    TEXT NOT NULL REFERENCES templates (id),
    position       INTEGER NOT NULL CHECK (position BETWEEN 0 AND 3),
    name           TEXT NOT NULL,
    color          TEXT,
    wait_s         INTEGER NOT NULL,
    description    TEXT NOT NULL,
    is_on_timeline INTEGER NOT NULL CHECK (is_on_timeline IN (0, 1)),
    sends_email    INTEGER NOT NULL CHECK (sends_email IN (0, 1)),
    calls_webhooks INTEGER NOT NULL CHECK (calls_webhooks IN (0, 1)),
    limit_period_s INTEGER,
    after_count    INTEGER NOT NULL,
    PRIMARY KEY (template_id, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE templates ADD COLUMN offline_ignore_s INTEGER;
ALTER TABLE templates ADD COLUMN reports_count INTEGER NOT NULL DEFAULT 0 CHECK (reports_count IN (0, 1));

CREATE TABLE template_recipients (
    template_id TEXT NOT NULL REFERENCES templates (id),
    position    INTEGER NOT NULL,
    address     TEXT NOT NULL,
    PRIMARY KEY (template_id, position)
) STRICT, WITHOUT ROWID;

-- The secret that signs calls is made from the nonce and the key file, so that a stolen database alone signs nothing.
CREATE TABLE webhooks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    template_id TEXT NOT NULL REFERENCES templates (id),
    name        TEXT NOT NULL,
    url         TEXT NOT NULL,
    nonce       BLOB NOT NULL UNIQUE CHECK (length(nonce) = 16),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX webhooks_template ON webhooks (template_id);

-- Numbers are never given out twice, so that an old one cannot mean the entry of another owner.
CREATE TABLE timeline (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch       INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    code        TEXT,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    at          INTEGER NOT NULL,
    resolved_at INTEGER,
    resolved_by TEXT,
    is_archived INTEGER NOT NULL DEFAULT 0 CHECK (is_archived IN (0, 1))
) STRICT;

CREATE INDEX timeline_device ON timeline (device_id, epoch, seq);

CREATE TABLE timeline_comments (
    entry  INTEGER NOT NULL REFERENCES timeline (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    text   TEXT NOT NULL,
    PRIMARY KEY (entry, number)
) STRICT, WITHOUT ROWID;

-- How often one kind of event came. The kinds of statuses begin with `status:`, which no code can.
CREATE TABLE event_meters (
    device_id    TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    day          INTEGER NOT NULL,
    logged_count INTEGER NOT NULL,
    logged_at    INTEGER,
    counted      INTEGER NOT NULL,
    notified_at  INTEGER,
    PRIMARY KEY (device_id, epoch, kind)
) STRICT, WITHOUT ROWID;

-- `is_settled`: time alone changes nothing any more.
CREATE TABLE device_statuses (
    device_id  TEXT PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    epoch      INTEGER NOT NULL,
    shown      INTEGER NOT NULL CHECK (shown BETWEEN 0 AND 3),
    shown_at   INTEGER NOT NULL,
    told       INTEGER CHECK (told BETWEEN 0 AND 3),
    away_since INTEGER,
    is_settled INTEGER NOT NULL CHECK (is_settled IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX device_statuses_unsettled ON device_statuses (device_id) WHERE is_settled = 0;

-- One row is one message to one recipient. Without `next_at` it is a dead letter: given up, and kept to be looked at.
CREATE TABLE notifications (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id  TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    address    TEXT,
    webhook_id INTEGER REFERENCES webhooks (id) ON DELETE CASCADE,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,
    last_error TEXT,
    CHECK ((address IS NULL) <> (webhook_id IS NULL))
) STRICT;

CREATE INDEX notifications_due ON notifications (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notifications_device ON notifications (device_id);
CREATE INDEX notifications_webhook ON notifications (webhook_id) WHERE webhook_id IS NOT NULL;

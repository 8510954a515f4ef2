-- Datastreams of templates, what devices set about them, and files that devices send.

-- Numbers are never given out twice: callers keep them as `dataStreamId`.
CREATE TABLE datastreams (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    template_id   TEXT NOT NULL REFERENCES templates (id),
    pin           INTEGER NOT NULL CHECK (pin BETWEEN 0 AND 255),
    name          TEXT NOT NULL,
    alias         TEXT,
    data_type     TEXT NOT NULL CHECK (data_type IN ('integer', 'double', 'string', 'enum', 'location')),
    min           REAL,
    max           REAL,
    decimals      TEXT,
    enum_fallback INTEGER,
    default_value BLOB,
    unit          TEXT,
    is_synced     INTEGER NOT NULL CHECK (is_synced IN (0, 1)),
    saves_raw_data INTEGER NOT NULL CHECK (saves_raw_data IN (0, 1)),
    invalidate_after_s INTEGER,
    invalid_shows_default INTEGER NOT NULL CHECK (invalid_shows_default IN (0, 1)),
    is_hidden_from_http INTEGER NOT NULL CHECK (is_hidden_from_http IN (0, 1)),
    UNIQUE (template_id, pin),
    UNIQUE (template_id, name),
    UNIQUE (template_id, alias)
) STRICT;

CREATE TABLE datastream_enum_rows (
    datastream_id INTEGER NOT NULL REFERENCES datastreams (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    text          TEXT NOT NULL,
    PRIMARY KEY (datastream_id, number)
) STRICT, WITHOUT ROWID;

-- How a datastream is shown, as the device set it. `value` is the fields joined by NUL.
CREATE TABLE properties (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    pin       INTEGER NOT NULL CHECK (pin BETWEEN 0 AND 255),
    property  TEXT NOT NULL,
    value     BLOB NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (device_id, epoch, pin, property)
) STRICT, WITHOUT ROWID;

-- The Device HTTPS API names metadata fields by number. The first five exist on every device.
CREATE TABLE metadata_fields (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO metadata_fields (id, name) VALUES
    (1, 'Device Name'), (2, 'Device Owner'), (3, 'Location'), (4, 'Device Timezone'), (5, 'Hotspot Name');
INSERT OR IGNORE INTO metadata_fields (name) SELECT DISTINCT field FROM metadata ORDER BY field;

-- `number` counts the files that an ownership ever sent, so that the newest row knows how many there were.
CREATE TABLE uploads (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    key       TEXT NOT NULL UNIQUE,
    kind      TEXT NOT NULL CHECK (kind IN ('file', 'dump')),
    name      TEXT NOT NULL,
    content   BLOB NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (device_id, epoch, number)
) STRICT;

-- Reports that were asked for; their content is made when they are fetched.
CREATE TABLE reports (
    seq       INTEGER PRIMARY KEY,
    key       TEXT NOT NULL UNIQUE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    question  TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

CREATE INDEX reports_device ON reports (device_id, seq);

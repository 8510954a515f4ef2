-- The image itself is a file in the folder `firmware`, named after its SHA-256.
CREATE TABLE firmware_images (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    file_name  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    version    TEXT NOT NULL,
    build      TEXT,
    library    TEXT,
    size_bytes INTEGER NOT NULL,
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32),
    md5        BLOB NOT NULL CHECK (length(md5) = 16),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE shipments (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    template_id TEXT NOT NULL REFERENCES templates (id),
    firmware_id TEXT NOT NULL REFERENCES firmware_images (id),
    rule        TEXT NOT NULL,
    state       TEXT NOT NULL,
    stage       TEXT NOT NULL,
    is_open_ended       INTEGER NOT NULL CHECK (is_open_ended IN (0, 1)),
    failure_percent_max INTEGER NOT NULL CHECK (failure_percent_max BETWEEN 0 AND 100),
    attempts_max        INTEGER NOT NULL CHECK (attempts_max BETWEEN 1 AND 100),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX shipments_template ON shipments (template_id);
CREATE INDEX shipments_firmware ON shipments (firmware_id);

CREATE TABLE deliveries (
    seq         INTEGER PRIMARY KEY,
    shipment_id TEXT NOT NULL REFERENCES shipments (id) ON DELETE CASCADE,
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    is_canary   INTEGER NOT NULL CHECK (is_canary IN (0, 1)),
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    window_from INTEGER,
    ordered_at  INTEGER,
    updated_at  INTEGER NOT NULL,
    UNIQUE (shipment_id, device_id)
) STRICT;

CREATE INDEX deliveries_device ON deliveries (device_id);

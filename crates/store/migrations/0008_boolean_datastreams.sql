-- Datastreams may be of the type `boolean`. A check of a column cannot be changed, so the table is made anew; the one that
-- refers to it goes first, because dropping a table deletes its rows and those that depend on them.
CREATE TABLE datastreams_new (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    template_id   TEXT NOT NULL REFERENCES templates (id),
    pin           INTEGER NOT NULL CHECK (pin BETWEEN 0 AND 255),
    name          TEXT NOT NULL,
    alias         TEXT,
    data_type     TEXT NOT NULL
                  CHECK (data_type IN ('integer', 'double', 'string', 'enum', 'location', 'boolean')),
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

CREATE TABLE datastream_enum_rows_new (
    datastream_id INTEGER NOT NULL REFERENCES datastreams_new (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    text          TEXT NOT NULL,
    PRIMARY KEY (datastream_id, number)
) STRICT, WITHOUT ROWID;

INSERT INTO datastreams_new SELECT * FROM datastreams;
INSERT INTO datastream_enum_rows_new SELECT * FROM datastream_enum_rows;

-- Numbers that were given out and taken away are not given out again.
DELETE FROM sqlite_sequence WHERE name = 'datastreams_new';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'datastreams_new', seq FROM sqlite_sequence WHERE name = 'datastreams';

DROP TABLE datastream_enum_rows;
DROP TABLE datastreams;
ALTER TABLE datastreams_new RENAME TO datastreams;
ALTER TABLE datastream_enum_rows_new RENAME TO datastream_enum_rows;

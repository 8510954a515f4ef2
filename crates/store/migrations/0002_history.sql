-- History of values. Times are Unix milliseconds (UTC). See decision 0040.

-- One stream is one pin in one ownership. Ids are never used again, so that nothing that still names an old one can mean
-- the data of another owner.
CREATE TABLE history_streams (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    epoch     INTEGER NOT NULL,
    pin       INTEGER NOT NULL CHECK (pin BETWEEN 0 AND 255),
    UNIQUE (device_id, epoch, pin)
) STRICT;

-- What arrived lately, in the order of arrival and without an index: a write touches the last page only.
CREATE TABLE history_recent (
    seq    INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    value  BLOB NOT NULL
) STRICT;

-- What was moved out of `history_recent`: up to about 900 bytes of points in one row, so that a row stays in its page.
-- Chunks of a stream do not overlap; `part` orders those that start at the same millisecond.
CREATE TABLE history_chunks (
    stream  INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    part    INTEGER NOT NULL,
    points  BLOB NOT NULL,
    PRIMARY KEY (stream, from_at, part)
) STRICT, WITHOUT ROWID;

-- Numbers that were moved, an hour at a time. Minutes are made from chunks, days from hours.
CREATE TABLE history_hours (
    stream  INTEGER NOT NULL,
    hour_at INTEGER NOT NULL,
    count   INTEGER NOT NULL CHECK (count > 0),
    sum     REAL NOT NULL,
    min     REAL NOT NULL,
    max     REAL NOT NULL,
    last    REAL NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (stream, hour_at)
) STRICT, WITHOUT ROWID;

-- How far moving has come: rows up to `upto_seq` of streams up to `done_stream` are in chunks already, although they are
-- still in `history_recent`. `generation` changes when rows are deleted, so that a plan made before is thrown away.
CREATE TABLE history_progress (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    upto_seq    INTEGER NOT NULL,
    done_stream INTEGER NOT NULL,
    generation  INTEGER NOT NULL
) STRICT;

INSERT INTO history_progress (id, upto_seq, done_stream, generation) VALUES (1, 0, 0, 0);

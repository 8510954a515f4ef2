-- Last values are written to their table now and then. What came since is in `history_recent`. See decision 0042.

-- Whether the value was dated by its sender: such a one becomes the last value only when that one is not newer.
ALTER TABLE history_recent ADD COLUMN is_dated INTEGER NOT NULL DEFAULT 0 CHECK (is_dated IN (0, 1));

-- Rows up to this one have had their say: `values_last` holds what they and everything else before made of it.
ALTER TABLE history_progress ADD COLUMN values_upto_seq INTEGER NOT NULL DEFAULT 0;

UPDATE history_progress
SET values_upto_seq = max(upto_seq, ifnull((SELECT max(seq) FROM history_recent), 0));

-- Claim codes, what becomes of a known device that is claimed again, and which release keys were given out.

-- The code is a keyed hash; code and token can be made again from the nonce and the key file until the session ends.
-- All three are emptied when it does. `code_uid` is the device that exchanged the code first; nobody else may.
ALTER TABLE provisioning_sessions ADD COLUMN code_hash BLOB CHECK (code_hash IS NULL OR length(code_hash) = 32);
ALTER TABLE provisioning_sessions ADD COLUMN code_nonce BLOB CHECK (code_nonce IS NULL OR length(code_nonce) = 16);
ALTER TABLE provisioning_sessions ADD COLUMN code_uid TEXT;

CREATE UNIQUE INDEX provisioning_sessions_code ON provisioning_sessions (code_hash) WHERE code_hash IS NOT NULL;

ALTER TABLE templates ADD COLUMN reclaim TEXT NOT NULL DEFAULT 'open' CHECK (reclaim IN ('open', 'locked'));

-- Highest epoch of a release key that the present ownership was given or showed: no order is signed for a later one.
-- The keys of the next ownership begin above it, so no order of this one fits there.
ALTER TABLE devices ADD COLUMN key_epoch INTEGER;
ALTER TABLE devices ADD COLUMN key_epoch_first INTEGER NOT NULL DEFAULT 0;

CREATE INDEX devices_uid ON devices (uid) WHERE uid IS NOT NULL;

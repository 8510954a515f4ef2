-- Whether devices of a template may speak MQTT for other devices.

ALTER TABLE templates ADD COLUMN gateway_api INTEGER NOT NULL DEFAULT 0 CHECK (gateway_api IN (0, 1));

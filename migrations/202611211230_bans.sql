-- Addresses that nothing is taken from for a while. They are the machine's and no tenant's: an address is banned before
-- anybody knows whom it would have called.

CREATE TABLE bans (
    address    inet PRIMARY KEY,
    reason     text NOT NULL,
    strikes    integer NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bans_reason_check CHECK (length(reason) <= 255),
    CONSTRAINT bans_strikes_check CHECK (strikes >= 1)
);
CALL keep_updated_at('bans');

ALTER TABLE bans ENABLE ROW LEVEL SECURITY;
ALTER TABLE bans FORCE ROW LEVEL SECURITY;
CREATE POLICY bans_switch ON bans TO yakyak_switch USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON bans TO yakyak_switch;

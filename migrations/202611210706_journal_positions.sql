-- How far each node's local journal has arrived. Moved in the transaction that stores the rows.

CREATE TABLE journal_positions (
    node        uuid PRIMARY KEY,
    segment     bigint NOT NULL,
    byte_offset bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT journal_positions_segment_check CHECK (segment >= 0),
    CONSTRAINT journal_positions_byte_offset_check CHECK (byte_offset >= 0)
);
CALL keep_updated_at('journal_positions');

GRANT SELECT, INSERT, UPDATE ON journal_positions TO yakyak_switch;

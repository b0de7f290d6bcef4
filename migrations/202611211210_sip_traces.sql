-- The SIP messages of calls and registrations, compressed, some seconds of one dialog in a row. Ids of other things are
-- copied without foreign keys: a trace outlives them.

CREATE TABLE sip_traces (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    call_id     uuid,
    sip_call_id text NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    messages    integer NOT NULL,
    data        bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sip_traces_messages_check CHECK (messages > 0),
    CONSTRAINT sip_traces_ended_at_check CHECK (ended_at >= started_at)
);
-- Compressed already: the database need not try again.
ALTER TABLE sip_traces ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX sip_traces_call_id_idx ON sip_traces (tenant_id, call_id);
CREATE INDEX sip_traces_sip_call_id_idx ON sip_traces (tenant_id, sip_call_id);
-- Rows come in the order of time and leave in it, so a few blocks' worth of summary finds what is too old.
CREATE INDEX sip_traces_ended_at_idx ON sip_traces USING brin (ended_at) WITH (pages_per_range = 16, autosummarize = on);
CALL keep_updated_at('sip_traces');
CALL lock_to_tenant('sip_traces');

GRANT SELECT ON sip_traces TO yakyak_app;
GRANT SELECT, INSERT, DELETE ON sip_traces TO yakyak_switch;

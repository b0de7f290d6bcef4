-- The history of calls. Ids of other things are copied without foreign keys: history outlives them.

CREATE TABLE call_records (
    id                  uuid NOT NULL,
    tenant_id           uuid NOT NULL,
    parent_call_id      uuid,
    node                uuid,
    call_id             text NOT NULL,
    caller              text NOT NULL,
    callee              text NOT NULL,
    caller_ip           text,
    callee_ip           text,
    caller_id_name      text,
    caller_number       text,
    dialed_number       text,
    context             text,
    caller_extension_id uuid,
    callee_extension_id uuid,
    user_id             uuid,
    trunk_id            uuid,
    phone_number_id     uuid,
    queue_id            uuid,
    ring_group_id       uuid,
    campaign_id         uuid,
    call_type           text,
    carrier_call_sid    text,
    direction           text NOT NULL,
    start_time          timestamptz NOT NULL,
    ringing_at          timestamptz,
    answer_time         timestamptz,
    end_time            timestamptz,
    setup_duration_ms   integer,
    call_duration_ms    integer,
    total_duration_ms   integer,
    billable_seconds    integer,
    status              text NOT NULL,
    disconnect_reason   text,
    hangup_by           text,
    hangup_cause        integer,
    sip_response_code   integer,
    codec               text,
    caller_sdp          text,
    callee_sdp          text,
    caller_user_agent   text,
    callee_user_agent   text,
    media_info          text,
    mos_score           real,
    jitter_ms           real,
    packet_loss_percent real,
    rtt_ms              real,
    cost                numeric(14,6),
    currency            text,
    rate                numeric(14,6),
    tags                text[] NOT NULL DEFAULT '{}',
    metadata            jsonb NOT NULL DEFAULT '{}',
    transcription       text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT call_records_pkey PRIMARY KEY (id, start_time),
    CONSTRAINT call_records_direction_check CHECK (direction IN ('Inbound', 'Outbound', 'Internal')),
    CONSTRAINT call_records_status_check CHECK
        (status IN ('Active', 'Completed', 'Failed', 'Busy', 'NoAnswer', 'Cancelled', 'Rejected')),
    CONSTRAINT call_records_hangup_by_check CHECK (hangup_by IN ('caller', 'callee', 'system')),
    CONSTRAINT call_records_hangup_cause_check CHECK (hangup_cause BETWEEN 0 AND 127),
    CONSTRAINT call_records_sip_response_code_check CHECK (sip_response_code BETWEEN 100 AND 699),
    CONSTRAINT call_records_ended_check CHECK ((status = 'Active') = (end_time IS NULL)),
    CONSTRAINT call_records_call_id_check CHECK (length(call_id) <= 255),
    CONSTRAINT call_records_caller_check CHECK (length(caller) <= 255),
    CONSTRAINT call_records_callee_check CHECK (length(callee) <= 255)
) PARTITION BY RANGE (start_time);
CREATE INDEX call_records_start_time_idx ON call_records (tenant_id, start_time DESC, id DESC);
CREATE INDEX call_records_call_id_idx ON call_records (tenant_id, call_id);
CREATE INDEX call_records_caller_idx ON call_records (tenant_id, caller);
CREATE INDEX call_records_callee_idx ON call_records (tenant_id, callee);
CREATE INDEX call_records_caller_number_idx ON call_records (tenant_id, caller_number text_pattern_ops, start_time DESC);
CREATE INDEX call_records_dialed_number_idx ON call_records (tenant_id, dialed_number text_pattern_ops, start_time DESC);
CREATE INDEX call_records_status_idx ON call_records (tenant_id, status, start_time DESC);
-- What a restart has to close: few rows, found without reading the others.
CREATE INDEX call_records_open_idx ON call_records (node) WHERE status = 'Active';
CALL keep_updated_at('call_records');
CALL lock_to_tenant('call_records');

CREATE TABLE call_legs (
    id                uuid NOT NULL,
    tenant_id         uuid NOT NULL,
    call_id           uuid NOT NULL,
    sip_call_id       text NOT NULL,
    is_caller         boolean NOT NULL,
    extension_id      uuid,
    remote_ip         text,
    user_agent        text,
    start_time        timestamptz NOT NULL,
    answer_time       timestamptz,
    end_time          timestamptz NOT NULL,
    sip_response_code integer,
    hangup_cause      integer,
    codec             text,
    packets_received  bigint,
    packets_sent      bigint,
    packets_lost      bigint,
    jitter_ms         real,
    strangers         bigint,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT call_legs_pkey PRIMARY KEY (id, start_time),
    CONSTRAINT call_legs_sip_response_code_check CHECK (sip_response_code BETWEEN 100 AND 699),
    CONSTRAINT call_legs_hangup_cause_check CHECK (hangup_cause BETWEEN 0 AND 127)
) PARTITION BY RANGE (start_time);
CREATE INDEX call_legs_call_id_idx ON call_legs (tenant_id, call_id);
CALL keep_updated_at('call_legs');
CALL lock_to_tenant('call_legs');

CREATE TABLE call_events (
    id          uuid NOT NULL,
    tenant_id   uuid NOT NULL,
    call_id     uuid NOT NULL,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    from_status text NOT NULL,
    to_status   text NOT NULL,
    detail      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT call_events_pkey PRIMARY KEY (id, at),
    CONSTRAINT call_events_kind_check CHECK
        (kind IN ('initiated', 'ringing', 'answered', 'held', 'resumed', 'digit', 'silent', 'ended')),
    CONSTRAINT call_events_from_status_check CHECK
        (from_status IN ('Active', 'Completed', 'Failed', 'Busy', 'NoAnswer', 'Cancelled', 'Rejected')),
    CONSTRAINT call_events_to_status_check CHECK
        (to_status IN ('Active', 'Completed', 'Failed', 'Busy', 'NoAnswer', 'Cancelled', 'Rejected'))
) PARTITION BY RANGE (at);
CREATE INDEX call_events_call_id_idx ON call_events (tenant_id, call_id, at);
CALL keep_updated_at('call_events');
CALL lock_to_tenant('call_events');

-- Rows of a month that nobody prepared are kept here until its partition is made.
CREATE TABLE call_records_default PARTITION OF call_records DEFAULT;
CREATE TABLE call_legs_default PARTITION OF call_legs DEFAULT;
CREATE TABLE call_events_default PARTITION OF call_events DEFAULT;
ALTER TABLE call_records_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_legs_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_events_default ENABLE ROW LEVEL SECURITY;

-- Makes the partitions of the current month and of the given number of months after it.
-- As the owner, because making tables is nothing the switch may do otherwise.
CREATE FUNCTION make_partitions(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    time_column text;
    first_day timestamptz;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('yakyak make_partitions'));
    FOR parent, time_column IN VALUES ('call_records', 'start_time'), ('call_legs', 'start_time'), ('call_events', 'at')
    LOOP
        FOR month IN 0 .. least(months_ahead, 24) LOOP
            first_day := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
            name := parent || '_' || to_char(first_day AT TIME ZONE 'UTC', 'YYYYMM');
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *)
                            INSERT INTO %I SELECT * FROM moved',
                           parent || '_default', time_column, first_day,
                           time_column, (first_day AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC', name);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, name, first_day, (first_day AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions(integer) TO yakyak_switch;

GRANT SELECT ON call_records, call_legs, call_events TO yakyak_app;
GRANT SELECT, INSERT, UPDATE ON call_records TO yakyak_switch;
GRANT SELECT, INSERT ON call_legs, call_events TO yakyak_switch;

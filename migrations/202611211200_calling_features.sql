-- What an extension does with its calls, which numbers are emergencies, and messages that wait for a phone.

-- A forward is a number that is dialled inside the tenant on behalf of the extension, never an address.
ALTER TABLE extensions
    ADD COLUMN forward_always         text,
    ADD COLUMN forward_busy           text,
    ADD COLUMN forward_no_answer      text,
    ADD COLUMN forward_not_registered text,
    ADD COLUMN do_not_disturb         boolean NOT NULL DEFAULT false,
    ADD COLUMN call_waiting           boolean NOT NULL DEFAULT true,
    ADD COLUMN max_calls              integer,
    ADD COLUMN no_answer_timeout_s    integer,
    ADD CONSTRAINT extensions_forward_always_check CHECK (forward_always ~ '^[0-9*#+]{1,32}$'),
    ADD CONSTRAINT extensions_forward_busy_check CHECK (forward_busy ~ '^[0-9*#+]{1,32}$'),
    ADD CONSTRAINT extensions_forward_no_answer_check CHECK (forward_no_answer ~ '^[0-9*#+]{1,32}$'),
    ADD CONSTRAINT extensions_forward_not_registered_check CHECK (forward_not_registered ~ '^[0-9*#+]{1,32}$'),
    ADD CONSTRAINT extensions_max_calls_check CHECK (max_calls BETWEEN 1 AND 1000),
    ADD CONSTRAINT extensions_no_answer_timeout_s_check CHECK (no_answer_timeout_s BETWEEN 1 AND 3600);

-- 112 means an emergency on every mobile phone in the world. 911, 999, 110 and their like mean it in some countries and
-- are extension numbers in others, so each tenant adds its own.
ALTER TABLE tenants
    ADD COLUMN emergency_numbers text[] NOT NULL DEFAULT '{112}',
    ADD CONSTRAINT tenants_emergency_numbers_check CHECK
        (cardinality(emergency_numbers) <= 32 AND array_position(emergency_numbers, NULL) IS NULL
         AND array_to_string(emergency_numbers, ' ') ~ '^([0-9*#]{2,15}( |$))*$');

-- Not valid at first: rows that are there need not be read while the table is locked.
ALTER TABLE call_events DROP CONSTRAINT call_events_kind_check;
ALTER TABLE call_events ADD CONSTRAINT call_events_kind_check CHECK
    (kind IN ('initiated', 'ringing', 'answered', 'held', 'resumed', 'digit', 'silent', 'forwarded', 'transferred',
              'emergency', 'ended')) NOT VALID;

-- SIP MESSAGE to an extension without a phone: kept until one registers.
CREATE TABLE messages (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    extension_id uuid NOT NULL,
    sender       text NOT NULL,
    sender_name  text,
    content_type text NOT NULL,
    body         bytea NOT NULL,
    sent_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    delivered_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT messages_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT messages_extension_fkey FOREIGN KEY (tenant_id, extension_id)
        REFERENCES extensions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT messages_sender_check CHECK (length(sender) BETWEEN 1 AND 255),
    CONSTRAINT messages_sender_name_check CHECK (length(sender_name) <= 255),
    CONSTRAINT messages_content_type_check CHECK (length(content_type) BETWEEN 1 AND 255),
    CONSTRAINT messages_body_check CHECK (length(body) <= 8192)
);
-- Ids are UUIDv7, so their order is the order of sending.
CREATE INDEX messages_waiting_idx ON messages (tenant_id, extension_id, id) WHERE delivered_at IS NULL;
CREATE INDEX messages_extension_id_idx ON messages (tenant_id, extension_id);
CREATE INDEX messages_expires_at_idx ON messages (expires_at);
CALL keep_updated_at('messages');
CALL lock_to_tenant('messages');

GRANT SELECT ON messages TO yakyak_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO yakyak_switch;

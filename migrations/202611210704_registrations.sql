-- The durable copy of the live bindings, written behind them and read back at start.

CREATE TABLE registrations (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    extension_id   uuid NOT NULL,
    extension      text NOT NULL,
    device_id      uuid,
    contact        text NOT NULL,
    instance       text,
    reg_id         bigint,
    q              integer NOT NULL DEFAULT 1000,
    call_id        text NOT NULL,
    cseq           bigint NOT NULL,
    transport      text NOT NULL,
    local_address  text NOT NULL,
    remote_address text NOT NULL,
    user_agent     text,
    path           text[] NOT NULL DEFAULT '{}',
    registered_at  timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT registrations_extension_fkey FOREIGN KEY (tenant_id, extension_id)
        REFERENCES extensions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT registrations_device_fkey FOREIGN KEY (tenant_id, device_id)
        REFERENCES devices (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT registrations_q_check CHECK (q BETWEEN 0 AND 1000),
    CONSTRAINT registrations_transport_check CHECK (transport IN ('udp', 'tcp', 'tls', 'ws', 'wss'))
);
CREATE INDEX registrations_extension_id_idx ON registrations (tenant_id, extension_id);
CREATE INDEX registrations_device_id_idx ON registrations (tenant_id, device_id);
CREATE INDEX registrations_expires_at_idx ON registrations (expires_at);
CALL keep_updated_at('registrations');
CALL lock_to_tenant('registrations');

GRANT SELECT ON registrations TO yakyak_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON registrations TO yakyak_switch;

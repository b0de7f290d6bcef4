-- The durable copy of the subscriptions, written behind them and read back at start: lamps are right again after a restart
-- without the phones' help.

CREATE TABLE subscriptions (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    extension_id   uuid NOT NULL,
    extension      text NOT NULL,
    package        text NOT NULL,
    event_id       text,
    resource       text NOT NULL,
    entity         text NOT NULL,
    version        bigint NOT NULL,
    call_id        text NOT NULL,
    local          text NOT NULL,
    remote         text NOT NULL,
    target         text NOT NULL,
    routes         text[] NOT NULL DEFAULT '{}',
    transport      text NOT NULL,
    local_address  text NOT NULL,
    remote_address text NOT NULL,
    secure         boolean NOT NULL DEFAULT false,
    local_cseq     bigint NOT NULL,
    remote_cseq    bigint,
    expires_at     timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subscriptions_extension_fkey FOREIGN KEY (tenant_id, extension_id)
        REFERENCES extensions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT subscriptions_package_check CHECK (package IN ('dialog', 'message-summary', 'presence', 'reg')),
    CONSTRAINT subscriptions_transport_check CHECK (transport IN ('UDP', 'TCP', 'TLS', 'WS', 'WSS'))
);
CREATE INDEX subscriptions_extension_id_idx ON subscriptions (tenant_id, extension_id);
CREATE INDEX subscriptions_expires_at_idx ON subscriptions (expires_at);
CALL keep_updated_at('subscriptions');
CALL lock_to_tenant('subscriptions');

GRANT SELECT ON subscriptions TO yakyak_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON subscriptions TO yakyak_switch;

-- Whatever a call can go to, and the first kind of it: extensions with their devices.

CREATE TABLE destinations (
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         uuid NOT NULL,
    kind       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT destinations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT destinations_id_key UNIQUE (id),
    CONSTRAINT destinations_kind_key UNIQUE (tenant_id, id, kind),
    CONSTRAINT destinations_kind_check CHECK (kind IN ('extension'))
);
CALL keep_updated_at('destinations');
CALL lock_to_tenant('destinations');

CREATE TABLE extensions (
    id               uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind             text NOT NULL GENERATED ALWAYS AS ('extension') STORED,
    extension_number text NOT NULL,
    display_name     text,
    user_id          uuid,
    context          text NOT NULL DEFAULT 'default',
    enabled          boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT extensions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT extensions_extension_number_key UNIQUE (tenant_id, extension_number),
    CONSTRAINT extensions_destination_fkey FOREIGN KEY (tenant_id, id, kind)
        REFERENCES destinations (tenant_id, id, kind) ON DELETE CASCADE,
    CONSTRAINT extensions_user_fkey FOREIGN KEY (tenant_id, user_id)
        REFERENCES user_tenants (tenant_id, user_id) ON DELETE SET NULL (user_id),
    CONSTRAINT extensions_extension_number_check CHECK (extension_number ~ '^[0-9]{2,5}$'),
    CONSTRAINT extensions_display_name_check CHECK (length(display_name) <= 255),
    CONSTRAINT extensions_context_check CHECK (length(context) BETWEEN 1 AND 80)
);
CREATE INDEX extensions_user_id_idx ON extensions (tenant_id, user_id);
CALL keep_updated_at('extensions');
CALL watch_for_snapshot('extensions');
CALL lock_to_tenant('extensions');

CREATE TABLE devices (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    extension_id   uuid NOT NULL,
    auth_username  uuid NOT NULL,
    sip_ha1        text,
    sip_ha1_sha256 text,
    enabled        boolean NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT devices_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT devices_auth_username_key UNIQUE (auth_username),
    CONSTRAINT devices_extension_fkey FOREIGN KEY (tenant_id, extension_id)
        REFERENCES extensions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT devices_sip_ha1_check CHECK (sip_ha1 ~ '^[0-9a-f]{32}$'),
    CONSTRAINT devices_sip_ha1_sha256_check CHECK (sip_ha1_sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX devices_extension_id_idx ON devices (tenant_id, extension_id);
CALL keep_updated_at('devices');
CALL watch_for_snapshot('devices');
CALL lock_to_tenant('devices');

GRANT SELECT, INSERT, UPDATE, DELETE ON destinations, extensions, devices TO yakyak_app;
GRANT SELECT ON extensions, devices TO yakyak_switch;

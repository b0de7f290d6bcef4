-- Roles and people. Both are shared: a person may belong to several tenants.

CREATE TABLE roles (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    description text,
    permissions text[] NOT NULL DEFAULT '{}',
    is_system   boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT roles_name_key UNIQUE (name),
    CONSTRAINT roles_name_check CHECK (length(name) BETWEEN 1 AND 255)
);
CREATE INDEX roles_is_system_idx ON roles (is_system);
CALL keep_updated_at('roles');

INSERT INTO roles (id, name, description, permissions, is_system) VALUES
    ('a0000000-0000-0000-0000-000000000001', 'administrator', 'Full system access with all permissions',
     ARRAY['user:read', 'user:create', 'user:update', 'user:delete', 'user:manage_roles',
           'call:read', 'call:create', 'call:terminate', 'call:transfer',
           'cdr:read', 'cdr:export', 'cdr:delete',
           'system:config', 'system:monitor', 'system:audit',
           'conference:create', 'conference:manage', 'conference:moderate',
           'voicemail:access', 'voicemail:manage'], true),
    ('a0000000-0000-0000-0000-000000000002', 'user', 'Standard user with basic call permissions',
     ARRAY['call:create', 'call:transfer', 'conference:create', 'voicemail:access'], true),
    ('a0000000-0000-0000-0000-000000000003', 'operator', 'Call center operator with call management permissions',
     ARRAY['user:read', 'call:read', 'call:create', 'call:terminate', 'call:transfer', 'cdr:read',
           'conference:create', 'conference:manage', 'conference:moderate', 'voicemail:access'], true);

CREATE TABLE users (
    id             uuid PRIMARY KEY,
    username       text NOT NULL,
    -- '!' is the hash of no password: nobody logs in to the web until one is set.
    password_hash  text NOT NULL DEFAULT '!',
    sip_ha1        text,
    sip_ha1_sha256 text,
    realm          text NOT NULL REFERENCES tenants (realm),
    display_name   text,
    email          text,
    enabled        boolean NOT NULL DEFAULT true,
    role_id        uuid REFERENCES roles (id) ON DELETE SET NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_realm_username_key UNIQUE (realm, username),
    CONSTRAINT users_username_check CHECK (length(username) BETWEEN 1 AND 255),
    CONSTRAINT users_password_hash_check CHECK (length(password_hash) BETWEEN 1 AND 255),
    CONSTRAINT users_sip_ha1_check CHECK (sip_ha1 ~ '^[0-9a-f]{32}$'),
    CONSTRAINT users_sip_ha1_sha256_check CHECK (sip_ha1_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT users_display_name_check CHECK (length(display_name) <= 255),
    CONSTRAINT users_email_check CHECK (length(email) <= 255)
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_enabled_idx ON users (enabled);
CREATE INDEX users_role_id_idx ON users (role_id);
CALL keep_updated_at('users');

CREATE TABLE user_tenants (
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id    uuid NOT NULL REFERENCES roles (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_tenants_pkey PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX user_tenants_user_id_idx ON user_tenants (user_id);
CALL keep_updated_at('user_tenants');
CALL lock_to_tenant('user_tenants');

-- The SIP half of a user belongs to the tenant that owns the realm, so that is whose snapshot changes.
CREATE FUNCTION bump_revision_of_realms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET revision = revision + 1 WHERE realm IN (SELECT realm FROM new_rows);
    RETURN NULL;
END $$;
CREATE FUNCTION bump_revision_of_old_realms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET revision = revision + 1 WHERE realm IN (SELECT realm FROM old_rows);
    RETURN NULL;
END $$;
CREATE TRIGGER users_inserted_trigger AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_realms();
CREATE TRIGGER users_updated_trigger AFTER UPDATE ON users REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_realms();
CREATE TRIGGER users_deleted_trigger AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_old_realms();

-- A tenant sees its members; it writes only those whose realm is its own.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY users_app ON users TO yakyak_app
    USING (realm = (SELECT t.realm FROM tenants t WHERE t.id = (SELECT current_tenant())))
    WITH CHECK (realm = (SELECT t.realm FROM tenants t WHERE t.id = (SELECT current_tenant())));
CREATE POLICY users_app_members ON users FOR SELECT TO yakyak_app
    USING (EXISTS (SELECT FROM user_tenants m
                    WHERE m.user_id = users.id AND m.tenant_id = (SELECT current_tenant())));
CREATE POLICY users_switch ON users FOR SELECT TO yakyak_switch USING (true);

GRANT SELECT ON roles TO yakyak_app, yakyak_switch;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, user_tenants TO yakyak_app;
GRANT SELECT ON users, user_tenants TO yakyak_switch;

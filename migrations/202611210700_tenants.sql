-- The marker by which the program knows that a database is its own, and the tenants.

CREATE TABLE yakyak_meta (
    key        text PRIMARY KEY,
    value      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO yakyak_meta (key, value) VALUES ('product', 'yakyak');

-- The tenant of the transaction; null when none was set, which every policy reads as "nothing".
CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE TABLE tenants (
    id                   uuid PRIMARY KEY,
    name                 text NOT NULL,
    slug                 text NOT NULL,
    realm                text NOT NULL,
    domain               text NOT NULL,
    is_default           boolean NOT NULL DEFAULT false,
    status               text NOT NULL DEFAULT 'active',
    sip_login            text NOT NULL DEFAULT 'number',
    digest_algorithms    text NOT NULL DEFAULT 'md5',
    timezone             text NOT NULL DEFAULT 'UTC',
    locale               text NOT NULL DEFAULT 'en',
    max_concurrent_calls integer NOT NULL DEFAULT 100,
    ring_timeout_s       integer NOT NULL DEFAULT 30,
    settings             jsonb NOT NULL DEFAULT '{}',
    metadata             jsonb NOT NULL DEFAULT '{}',
    revision             bigint NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    deleted_at           timestamptz,
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_realm_key UNIQUE (realm),
    CONSTRAINT tenants_domain_key UNIQUE (domain),
    CONSTRAINT tenants_name_check CHECK (length(name) BETWEEN 1 AND 255),
    CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT tenants_realm_check CHECK (realm ~ '^[[:graph:]]{1,253}$' AND realm !~ '["\\]'),
    CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'cancelled', 'deleted')),
    CONSTRAINT tenants_sip_login_check CHECK (sip_login IN ('number', 'device', 'both')),
    CONSTRAINT tenants_digest_algorithms_check CHECK (digest_algorithms IN ('md5', 'sha256_md5', 'sha256')),
    CONSTRAINT tenants_max_concurrent_calls_check CHECK (max_concurrent_calls >= 0),
    CONSTRAINT tenants_ring_timeout_s_check CHECK (ring_timeout_s BETWEEN 1 AND 3600)
);
-- One tenant at most answers for the machine's bare address.
CREATE UNIQUE INDEX tenants_is_default_key ON tenants (is_default) WHERE is_default;

-- Every name a tenant answers to, its main one included, so that no name can belong to two.
CREATE TABLE tenant_domains (
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    domain     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_domains_pkey PRIMARY KEY (tenant_id, domain),
    CONSTRAINT tenant_domains_domain_key UNIQUE (domain),
    CONSTRAINT tenant_domains_domain_check
        CHECK (length(domain) BETWEEN 1 AND 253 AND domain ~ '^[a-z0-9._:-]+$')
);
ALTER TABLE tenants ADD CONSTRAINT tenants_main_domain_fkey
    FOREIGN KEY (id, domain) REFERENCES tenant_domains (tenant_id, domain) DEFERRABLE INITIALLY DEFERRED;

-- A change of the row itself counts as a change of the snapshot, and nobody moves the realm.
CREATE FUNCTION tenants_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.realm IS DISTINCT FROM OLD.realm OR NEW.id IS DISTINCT FROM OLD.id THEN
        RAISE EXCEPTION 'the realm of tenant % cannot change: every stored password hash hangs on it', OLD.slug
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.revision = OLD.revision THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER update_tenants_updated_at_trigger BEFORE UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION tenants_before_update();

CREATE FUNCTION tenants_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('yakyak_tenant', OLD.id::text);
    ELSE
        PERFORM pg_notify('yakyak_tenant', NEW.id::text || ' ' || NEW.revision::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tenants_notify_trigger AFTER INSERT OR UPDATE OR DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION tenants_notify();

-- Once per statement, so that a bulk load moves the revision once.
CREATE FUNCTION bump_revision_of_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET revision = revision + 1 WHERE id IN (SELECT tenant_id FROM new_rows);
    RETURN NULL;
END $$;
CREATE FUNCTION bump_revision_of_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET revision = revision + 1 WHERE id IN (SELECT tenant_id FROM old_rows);
    RETURN NULL;
END $$;
CREATE FUNCTION bump_revision_of_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET revision = revision + 1
     WHERE id IN (SELECT tenant_id FROM new_rows UNION SELECT tenant_id FROM old_rows);
    RETURN NULL;
END $$;

CREATE PROCEDURE keep_updated_at(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER update_%1$s_updated_at_trigger BEFORE UPDATE ON %1$I
                    FOR EACH ROW EXECUTE FUNCTION touch_updated_at()', name);
END $$;

-- For a table that the snapshot of its tenant is made from.
CREATE PROCEDURE watch_for_snapshot(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER %1$s_inserted_trigger AFTER INSERT ON %1$I
                    REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_new()', name);
    EXECUTE format('CREATE TRIGGER %1$s_updated_trigger AFTER UPDATE ON %1$I
                    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_both()', name);
    EXECUTE format('CREATE TRIGGER %1$s_deleted_trigger AFTER DELETE ON %1$I
                    REFERENCING OLD TABLE AS old_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION bump_revision_of_old()', name);
END $$;

-- The second lock on tenant rows: the API sees its tenant, the switch what its grants name.
CREATE PROCEDURE lock_to_tenant(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %1$s_app ON %1$I TO yakyak_app
                    USING (tenant_id = (SELECT current_tenant()))
                    WITH CHECK (tenant_id = (SELECT current_tenant()))', name);
    EXECUTE format('CREATE POLICY %1$s_switch ON %1$I TO yakyak_switch USING (true) WITH CHECK (true)', name);
END $$;

CALL keep_updated_at('yakyak_meta');
CALL keep_updated_at('tenant_domains');
CALL watch_for_snapshot('tenant_domains');
CALL lock_to_tenant('tenant_domains');

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_app ON tenants TO yakyak_app
    USING (id = (SELECT current_tenant())) WITH CHECK (id = (SELECT current_tenant()));
CREATE POLICY tenants_switch ON tenants FOR SELECT TO yakyak_switch USING (true);

GRANT USAGE ON SCHEMA public TO yakyak_app, yakyak_switch;
GRANT SELECT, INSERT, UPDATE ON tenants TO yakyak_app;
GRANT SELECT, INSERT, DELETE ON tenant_domains TO yakyak_app;
GRANT SELECT ON tenants, tenant_domains TO yakyak_switch;

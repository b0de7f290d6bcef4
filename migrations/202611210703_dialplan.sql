-- What a dialled number does, per context.

CREATE TABLE dialplan (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    context    text NOT NULL DEFAULT 'default',
    exten      text NOT NULL,
    priority   integer NOT NULL DEFAULT 1,
    action     text NOT NULL,
    argument   text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dialplan_exten_key UNIQUE (tenant_id, context, exten, priority),
    CONSTRAINT dialplan_context_check CHECK (length(context) BETWEEN 1 AND 80),
    CONSTRAINT dialplan_exten_check CHECK (exten ~ '^[[:graph:]]{1,80}$'),
    CONSTRAINT dialplan_priority_check CHECK (priority >= 1),
    CONSTRAINT dialplan_action_check CHECK (action IN ('Dial', 'Echo', 'Hangup')),
    CONSTRAINT dialplan_argument_check CHECK (length(argument) <= 255)
);
CALL keep_updated_at('dialplan');
CALL watch_for_snapshot('dialplan');
CALL lock_to_tenant('dialplan');

GRANT SELECT, INSERT, UPDATE, DELETE ON dialplan TO yakyak_app;
GRANT SELECT ON dialplan TO yakyak_switch;

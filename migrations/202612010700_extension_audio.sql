-- How the phones of an extension speak: encryption, browsers, key presses.

ALTER TABLE extensions
    ADD COLUMN srtp      text NOT NULL DEFAULT 'prefer',
    ADD COLUMN srtp_keys text NOT NULL DEFAULT 'sdes',
    ADD COLUMN webrtc    text NOT NULL DEFAULT 'auto',
    ADD COLUMN dtmf_mode text NOT NULL DEFAULT 'auto',
    ADD CONSTRAINT extensions_srtp_check CHECK (srtp IN ('off', 'prefer', 'require')),
    ADD CONSTRAINT extensions_srtp_keys_check CHECK (srtp_keys IN ('sdes', 'dtls')),
    ADD CONSTRAINT extensions_webrtc_check CHECK (webrtc IN ('auto', 'on', 'off')),
    ADD CONSTRAINT extensions_dtmf_mode_check CHECK (dtmf_mode IN ('auto', 'rfc4733', 'info', 'inband'));

-- Not valid at first: rows that are there need not be read while the table is locked.
ALTER TABLE call_events DROP CONSTRAINT call_events_kind_check;
ALTER TABLE call_events ADD CONSTRAINT call_events_kind_check CHECK
    (kind IN ('initiated', 'ringing', 'answered', 'held', 'resumed', 'digit', 'silent', 'forwarded', 'transferred',
              'emergency', 'unprotected', 'ended')) NOT VALID;

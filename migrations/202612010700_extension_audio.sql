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

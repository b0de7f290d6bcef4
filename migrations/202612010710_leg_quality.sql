-- What is known of a leg's quality and protection. Without defaults, so that no row is rewritten.
ALTER TABLE call_legs
    ADD COLUMN sent_lost  bigint,
    ADD COLUMN rtt_ms     real,
    ADD COLUMN mos_score  real,
    ADD COLUMN encryption text;

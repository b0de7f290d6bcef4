# The two commands that matter are `make run` and `make test`.
.POSIX:
.PHONY: help run test lint bench bench-peers soak fuzz mutants clean

CARGO = cargo
DATA =
FUZZ_SECONDS = 60
DATA_DIR = $${DATA:+--data-dir "$$DATA"}

help:
	@echo "make run      install what is missing, build, and start YakYak (DATA=DIR for another data directory)"
	@echo "make test     install what is missing, and run every test"
	@echo "make lint     formatting, clippy"
	@echo "make bench    measure: criterion benches, then the load benches on loopback"
	@echo "make bench-peers   the same work through YakYak and kamailio, side by side"
	@echo "make soak     the long tests at full size"
	@echo "make mutants  small faults put in one by one, each of which tests must find"
	@echo "make fuzz     every fuzz target for FUZZ_SECONDS (needs cargo-fuzz and a nightly toolchain)"

run:
	@tools/packages run
	@DATA="$(DATA)"; export DATA; started=$$(date +%s); \
	$(CARGO) build --release --locked --bin yakyak && \
	echo "Built in $$(( $$(date +%s) - started )) s." && \
	{ target/release/yakyak status $(DATA_DIR) 2>/dev/null || exec target/release/yakyak serve $(DATA_DIR); }

test:
	@tools/packages test
	$(CARGO) test --workspace --locked

lint:
	@tools/packages run
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked --features selftest-webrtc -- -D warnings

bench:
	@tools/packages bench
	$(CARGO) bench --locked --bench core
	$(CARGO) bench --locked --bench media
	$(CARGO) bench --locked --bench relay
	$(CARGO) bench --locked --bench signalling
	$(CARGO) bench --locked --bench reconnect

bench-peers:
	@tools/packages bench-peers
	$(CARGO) bench --locked --bench peers

soak:
	@tools/packages test
	YAKYAK_SOAK=1 $(CARGO) test --workspace --locked --release -- --nocapture

fuzz:
	cd crates/fuzz && for target in $$($(CARGO) +nightly fuzz list); do \
	  $(CARGO) +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

mutants:
	tools/mutants

clean:
	$(CARGO) clean

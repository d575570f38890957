# Every target is one or two commands; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
BENCH := $(BIN)/python -m benchmarks
# Compiled once, not in every process: that halves the start of dbt, Airflow and Great Expectations.
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

.PHONY: demo
demo: setup ## Set up everything, load a sample through Airflow and print what was published
	@$(BIN)/message-tracking demo

.PHONY: test
test: setup-dev ## Set up everything and run every check that CI runs
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-long
test-long: setup-dev ## Run the heavy forms of the tests, which take an hour
	@$(BIN)/python -m pytest -m long -n 2 --dist loadfile --no-loadscope-reorder

# Both are described in benchmarks/README.md; every line is a module of its own with --help.
.PHONY: bench
bench: setup-bench ## Print what was measured in 20 minutes, a line per figure: bench: <name> <value> <unit>
	@$(BENCH).sample
	@$(BENCH).load
	@$(BENCH).load_vs_dlt --lines 500000
	@$(BENCH).publish_ms --lines 100000 --publications 3
	@$(BENCH).marts_vs_sql --lines 200000
	@$(BENCH).read_vs_table --lines 200000 --publications 2
	@$(BENCH).storage --lines 200000
	@$(BENCH).history --history 50000 --history 500000 --batch 10000 --deliveries 100 --runs 2
	@$(BENCH).orchestration --lines 20000 --runs 1
	@$(BENCH).demo
	@$(BENCH).actors
	@$(BENCH).fuzz --lines 500000
	@$(BENCH).publications --lines 50000 --publications 5 --pause 0.5
	@$(BENCH).faults --kills 10

.PHONY: bench-scale
bench-scale: setup-bench ## Print the figures that need an hour and 60 GB of disk: millions of events
	@$(BENCH).load --long-lines 50000000
	@$(BENCH).load_vs_dlt
	@$(BENCH).publish_ms --lines 11000000
	@$(BENCH).marts_vs_sql --lines 2000000
	@$(BENCH).read_vs_table --lines 2000000
	@$(BENCH).storage --lines 10000000
	@$(BENCH).orchestration --lines 1000000
	@$(BENCH).history --history 5000000 --history 20000000 --history 50000000 --batch 100000 --deliveries 1000 --name batch_history_ratio

.PHONY: up
up: setup ## Start Airflow and the warehouse and leave them running
	@$(BIN)/message-tracking up

.PHONY: down
down: setup ## Stop Airflow and the warehouse
	@$(BIN)/message-tracking down

.PHONY: lint
lint: setup-dev ## Run every check of .pre-commit-config.yaml on all files; changes nothing
	@$(BIN)/pre-commit run --all-files

.PHONY: audit
audit: setup-dev ## Ask the package index which locked packages have known weaknesses; needs its JSON pages
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes $(patsubst %,-r %,$(wildcard requirements*.txt)) $$(sed -E 's/ *#.*//; /^$$/d; s/^/--ignore-vuln /' audit-exceptions.txt)

.PHONY: hooks
hooks: setup-dev ## Let git run the checks that a commit concerns
	@$(BIN)/pre-commit install

.PHONY: format
format: setup-dev ## Put code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: metrics
metrics: setup ## Write docs/metrics.md anew from the descriptions of the dbt models
	$(BIN)/message-tracking metrics > docs/metrics.md

.PHONY: lock
lock: setup ## Write the requirements*.txt anew from the requirements*.in
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 requirements-setup.in -o requirements-setup.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 requirements-cluster.in -o requirements-cluster.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 requirements-bench.in -o requirements-bench.txt

.PHONY: setup setup-dev setup-bench
setup: $(VENV)/.installed ## Make the environment that runs the product
setup-dev: $(VENV)/.installed-dev ## Make the environment that also tests and lints it
setup-bench: $(VENV)/.installed-bench ## Make the environment that also measures it

$(VENV)/.installed: requirements-setup.txt requirements.txt pyproject.toml setup.py $(wildcard src/message_tracking/native/*.c)
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.txt
	@$(UV) -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(UV) -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.txt
	@$(UV) -r requirements-bench.txt
	@touch $@

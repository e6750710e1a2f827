# The two commands for a fresh machine are `make run` and `make test`; each sets up what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup run test check unit e2e faults bench lock

# Any Python from 3.11 on will do; PYTHON=... names another one.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(p) -c 'import sys; print("$(p)" * (sys.version_info >= (3, 11)))' 2>/dev/null)))
BIN := .venv/bin
FAST := tests/unit tests/property tests/rules
STAMP := .venv/installed

# Tests start Python some hundred times; what it imports is compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

# Tests wait more than they compute. Each process takes whole files, in the order of tests/conftest.py.
JOBS ?= 4
SIDE_BY_SIDE := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

# Half of the CPU of a broker's start goes into loading classes; the tests' brokers, some fifty, have them from an archive.
ARCHIVE := .venv/kafka.aot
test e2e faults: $(ARCHIVE)
test e2e faults: export JDK_JAVA_OPTIONS := $(JDK_JAVA_OPTIONS) -XX:+IgnoreUnrecognizedVMOptions \
    "-XX:AOTCache=$(CURDIR)/$(ARCHIVE)"

help: ## show this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/make \1#\2/p' Makefile | column -t -s '#'

setup: $(STAMP) ## install everything into .venv, from the lock file

$(STAMP): requirements.lock pyproject.toml tests/asyncapi/package-lock.json
	@test -n "$(PYTHON)" || { echo "sop-streams needs Python 3.11 or later; none was found ($$(python3 -V 2>&1))" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sop-streams needs Python 3.11 or later;" \
	    "$(PYTHON) is Python $$($(PYTHON) -c 'import platform; print(platform.python_version())')" >&2; exit 2; }
	@echo "installing into .venv, once: 500 MB, half a minute to a few minutes"
	@$(PYTHON) -m venv .venv
	@# uv, itself from the lock, installs many times faster; pip does where uv cannot reach the registry.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
	    $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@# One test needs the schemas that npm carries; without npm it is skipped.
	@! command -v npm >/dev/null || { echo "installing the schemas for one test"; \
	    npm ci --prefix tests/asyncapi --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null; }
	@touch $@

$(ARCHIVE): $(STAMP)
	-$(BIN)/python -m tests.kafka_archive $@ # without it, all is as it was, only slower

run: setup ## decide sample events on an embedded Kafka (ARGS="--duration 30")
	$(BIN)/sop up $(ARGS)

test: setup ## every test, with real Kafka and Redis (ARGS="-k name"; JOBS=1 for one file at a time)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: setup ## what must hold before a commit; changes no file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q $(FAST)

unit: setup ## the fast tests, no service needed
	$(BIN)/python -m pytest -q $(FAST) $(ARGS)

e2e: setup ## the real worker process against real Kafka and Redis
	$(BIN)/python -m pytest tests/e2e $(ARGS)

# What `make faults` takes; what is not given is as little as in `make test`.
FAULT_COUNTS := SEED EVENTS KILLS STOPS CHANGES FREEZES LOSSES SILENCE_S BOUNCES CUTS BROKEN BACKLOG RIGHTS LINES SOAK_S MONTHS

faults: setup ## the fault suite, recorded in docs/faults.md (KILLS=300 EVENTS=1000000 SEED=1 ARGS="-k killed_workers")
	@mkdir -p docs
	$(foreach count,$(FAULT_COUNTS),$(if $($(count)),FAULTS_$(count)=$($(count)))) FAULTS_RECORD=docs/faults.jsonl \
	    $(BIN)/python -m pytest -s -p no:randomly tests/faults tests/e2e/test_poison.py $(ARGS); status=$$?; \
	    $(BIN)/python -m tests.faults docs/faults.jsonl docs/faults.md; exit $$status

bench: setup ## ours beside other runtimes, written to docs/performance.md (QUICK=1 to try it)
	$(PYTHON) -m venv bench/.venv
	$(BIN)/uv pip install --quiet --python bench/.venv/bin/python --no-deps --require-hashes -r bench/requirements.txt
	$(BIN)/uv pip install --quiet --python bench/.venv/bin/python --no-deps --no-build-isolation -e .
	bench/.venv/bin/python -m bench $(if $(QUICK),--quick --out build/bench) $(ARGS)

LOCK := $(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate --quiet

lock: setup ## resolve the dependencies anew within the bounds of pyproject.toml and bench/requirements.in
	$(LOCK) pyproject.toml --all-extras -o requirements.lock
	$(LOCK) bench/requirements.in pyproject.toml --extra embedded --overrides bench/overrides.txt -o bench/requirements.txt

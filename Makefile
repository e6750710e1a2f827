# On a fresh machine start with `make run` or `make test`; each installs what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup languages tools run test check unit e2e faults bench lock

# The first Python of version 3.11 or later; PYTHON=... names another one.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(p) -c 'import sys; print("$(p)" * (sys.version_info >= (3, 11)))' 2>/dev/null)))
BIN := .venv/bin
FAST := tests/unit tests/property tests/rules
STAMP := .venv/installed

# Tests start Python hundreds of times, so compile imported modules once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

# Tests mostly wait, so several processes run them. Each takes whole files, in the order of tests/conftest.py.
JOBS ?= 4
SIDE_BY_SIDE := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 5

# Half of the CPU time of a broker's start goes into loading classes; an archive saves that for some fifty test brokers.
ARCHIVE := .venv/kafka.aot
test e2e faults: $(ARCHIVE)
test e2e faults: export JDK_JAVA_OPTIONS := $(JDK_JAVA_OPTIONS) -XX:+IgnoreUnrecognizedVMOptions \
    "-XX:AOTCache=$(CURDIR)/$(ARCHIVE)"

# Programs in other languages, for the tests that use them. Without its tools a program's tests are skipped, or fail in CI.
LANGUAGES := $(addprefix build/languages/,typescript java java-sdk javascript-sdk go-sdk log-judge)
NPM_CI := npm ci --no-audit --no-fund --no-update-notifier --loglevel=error --prefix
test e2e: $(LANGUAGES)

help: ## show this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z0-9]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

##@ Getting started

setup: $(STAMP) ## install everything into .venv from the lock file

$(STAMP): requirements.lock pyproject.toml clients/python/pyproject.toml tests/schema_tools/package-lock.json
	@test -n "$(PYTHON)" || { echo "sop-streams needs Python 3.11 or later; none was found ($$(python3 -V 2>&1))" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sop-streams needs Python 3.11 or later;" \
	    "$(PYTHON) is Python $$($(PYTHON) -c 'import platform; print(platform.python_version())')" >&2; exit 2; }
	@echo "installing into .venv, once: 1.15 GB, half a minute to a few minutes"
	@$(PYTHON) -m venv .venv
	@# uv, itself from the lock file, installs many times faster; pip is the fallback where uv cannot reach the registry.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
	    $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . -e clients/python
	@# The tests of the exported schemas need tools from npm; without npm they are skipped.
	@! command -v npm >/dev/null || { echo "installing the tools that check the schemas"; \
	    npm ci --prefix tests/schema_tools --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null; }
	@touch $@

$(ARCHIVE): $(STAMP)
	-$(BIN)/python -m tests.kafka_archive $@ # without the archive the tests are only slower

languages: $(LANGUAGES) ## build the examples and test programs in TypeScript, Java, JavaScript and Go

build/languages/typescript: $(addprefix examples/typescript/,package-lock.json tsconfig.json src/*.ts)
	-@command -v npm >/dev/null || { echo "no npm: examples/typescript is not built" >&2; exit 1; }; \
	    echo "building examples/typescript" && $(NPM_CI) examples/typescript >/dev/null && \
	    examples/typescript/node_modules/.bin/tsc --project examples/typescript && mkdir -p $(@D) && touch $@

build/languages/javascript-sdk: tests/cloudevents_sdks/javascript/package-lock.json
	-@command -v npm >/dev/null || { echo "no npm: tests/cloudevents_sdks/javascript is not installed" >&2; exit 1; }; \
	    echo "installing tests/cloudevents_sdks/javascript" && \
	    $(NPM_CI) tests/cloudevents_sdks/javascript >/dev/null && mkdir -p $(@D) && touch $@

# Maven has no lock file: the jars that it fetched are compared with a list.
define MAVEN
	-@command -v mvn >/dev/null || { echo "no mvn: $(1) is not built" >&2; exit 1; }; \
	    echo "building $(1)" && rm -rf $(1)/target && \
	    mvn --quiet --batch-mode --no-transfer-progress --strict-checksums --file $(1) process-classes && \
	    (cd $(1)/target/lib && sha256sum *.jar | diff ../../checksums.sha256 -) && mkdir -p $(@D) && touch $@
endef

build/languages/java: examples/java/pom.xml examples/java/checksums.sha256 examples/java/src/main/java/ledger/*.java
	$(call MAVEN,examples/java)

build/languages/java-sdk: $(addprefix tests/cloudevents_sdks/java/,pom.xml checksums.sha256 src/main/java/*.java)
	$(call MAVEN,tests/cloudevents_sdks/java)

# $(1) is what needs it.
GO_IS_NEW = go version 2>/dev/null | grep -Eq 'go(1\.(2[3-9]|[3-9][0-9])|[2-9])' || \
    { echo "$(1) needs Go 1.23 or later; found: $$(go version 2>/dev/null || echo none)" >&2; exit 1; }

build/languages/go-sdk: $(addprefix tests/cloudevents_sdks/go/,go.mod go.sum main.go)
	-@$(call GO_IS_NEW,the CloudEvents SDK of Go); \
	    echo "building tests/cloudevents_sdks/go" && mkdir -p $(@D) && \
	    go build -C tests/cloudevents_sdks/go -mod=readonly -o $(CURDIR)/$@ .

build/languages/log-judge: $(addprefix tests/log_judge/,go.mod go.sum main.go)
	-@$(call GO_IS_NEW,Go's judge of an archive's log); \
	    echo "building tests/log_judge" && mkdir -p $(@D) && \
	    go build -C tests/log_judge -mod=readonly -o $(CURDIR)/$@ .

# Programs that check deploy/kubernetes, each at one version.
TOOLS := $(addprefix build/tools/,kustomize kube-score)
KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.6.0
KUBE_SCORE := github.com/zegl/kube-score/cmd/kube-score@v1.20.0
test e2e: $(TOOLS)

tools: $(TOOLS) ## build the tools that check the Kubernetes manifests

build/tools/kustomize: PACKAGE := $(KUSTOMIZE)
build/tools/kube-score: PACKAGE := $(KUBE_SCORE)
$(TOOLS):
	-@$(call GO_IS_NEW,$(@F)); echo "building $(@F)" && mkdir -p $(@D) && GOBIN=$(CURDIR)/$(@D) go install $(PACKAGE)

run: setup ## decide sample events on an embedded Kafka (ARGS="--duration 30")
	$(BIN)/sop up $(ARGS)

##@ Checks and tests

test: setup ## run all tests, with real Kafka and Redis (ARGS="-k name"; JOBS=1 for one file at a time)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: setup ## run linter, types, import contracts and fast tests; changes no file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile $(FAST)

unit: setup ## run the fast tests, which need no service
	$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile $(FAST) $(ARGS)

e2e: setup ## test the real worker process with real Kafka and Redis
	$(BIN)/python -m pytest tests/e2e $(ARGS)

# The counts that `make faults` accepts; the defaults are as small as in `make test`.
FAULT_COUNTS := SEED EVENTS KILLS STOPS CHANGES FREEZES LOSSES SILENCE_S BOUNCES CUTS BROKEN BACKLOG RIGHTS LINES SOAK_S MONTHS

faults: setup ## run the fault tests and record them in docs/faults.md (KILLS=300 EVENTS=1000000 SEED=1 ARGS="-k killed_workers")
	@mkdir -p docs
	$(foreach count,$(FAULT_COUNTS),$(if $($(count)),FAULTS_$(count)=$($(count)))) FAULTS_RECORD=docs/faults.jsonl \
	    $(BIN)/python -m pytest -s -p no:randomly tests/faults tests/e2e/test_poison.py $(ARGS); status=$$?; \
	    $(BIN)/python -m tests.faults docs/faults.jsonl docs/faults.md; exit $$status

##@ Maintenance

bench: setup ## compare with other runtimes, and write docs/performance.md (QUICK=1 for a short trial)
	$(PYTHON) -m venv bench/.venv
	$(BIN)/uv pip install --quiet --python bench/.venv/bin/python --no-deps --require-hashes -r bench/requirements.txt
	$(BIN)/uv pip install --quiet --python bench/.venv/bin/python --no-deps --no-build-isolation -e .
	bench/.venv/bin/python -m bench $(if $(QUICK),--quick --out build/bench) $(ARGS)

LOCK := $(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate --quiet

lock: setup ## update the lock files within the bounds of pyproject.toml and bench/requirements.in
	$(LOCK) pyproject.toml --all-extras -o requirements.lock
	$(LOCK) bench/requirements.in pyproject.toml --extra embedded --overrides bench/overrides.txt -o bench/requirements.txt

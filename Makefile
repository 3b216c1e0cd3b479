# Everything runs in .venv, installed from the lock files. Each target installs its own requirements.
PYTHON ?= python3
PORT ?= 8000
SECONDS ?= 600
WORKERS ?= auto
SEED ?= 1
RELEASES ?=
PEERS ?= ../shared/peers/bench
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
           --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --extra build
COMPILE_DOCS := $(subst pyproject.toml --extra build,--group docs,$(COMPILE))

# Processes that tests start read modules compiled before, also where the environment says to write none.
export PYTHONDONTWRITEBYTECODE :=

# The tests of a file run in one process. Files with long waits run first, so that no core is idle at the end.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo demo-real test contract test-slow test-httpx test-fuzz test-paging test-plans test-plans-off test-newest soak soak-httpx soak-copies flood lint format docs dist schema docs-configuration live bench web audit lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

demo: .venv/runtime.ok ## run three simulated vendors, the gateway over them, and its pages (PORT=8000)
	$(BIN)/tracegraph demo --port $(PORT)

demo-real: .venv/runtime.ok ## the demo with real MLflow and Phoenix servers beside (1.7 GB under .live, once; PORT=8000)
	$(BIN)/python -m tracegraph.real_servers.environments .live
	$(BIN)/tracegraph demo --real --environments .live --port $(PORT)

test: .venv/dev.ok .venv/system.ok .venv/node.ok ## run the test suite on all cores, some minutes (WORKERS=auto)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests/reliability tests

contract: .venv/dev.ok ## run the contract suite of one vendor (VENDOR=nemo)
	@[ -f tests/contract/test_$(VENDOR).py ] || { echo "Name a vendor that has a file tests/contract/test_NAME.py, for instance: make contract VENDOR=nemo"; exit 2; }
	$(BIN)/python -m pytest $(PARALLEL) --dist load tests/contract/test_$(VENDOR).py

test-slow: .venv/dev.ok .venv/system.ok .venv/node.ok .venv/web.ok ## run the slow tests, with more examples
	TRACEGRAPH_TESTS_EXAMPLES=all $(BIN)/python -m pytest $(PARALLEL) -m slow
	TRACEGRAPH_TESTS_EXAMPLES=all $(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests/federation tests/contract \
	  tests/adapters tests/adapter_sdk tests/domain tests/graphql tests/http tests/metrics tests/upstream
	$(MAKE) test-plans-off
	$(MAKE) test-httpx

# tests/graphql/plans tests the compiler itself, so it has nothing to test without plans.
test-plans-off: .venv/dev.ok ## run the tests of queries, HTTP and failures without compiled plans (some minutes)
	TRACEGRAPH_SERVER__COMPILED_PLANS=false $(BIN)/python -m pytest $(PARALLEL) -m "not slow" \
	  tests/reliability tests/graphql tests/http --ignore tests/graphql/plans

test-paging: .venv/dev.ok ## run the paging tests with 10,000 examples (half an hour)
	PAGING_EXAMPLES=10000 $(BIN)/python -m pytest tests/federation/test_paging_machine.py

test-fuzz: .venv/dev.ok ## send generated queries and bytes, 3,000 of each kind (ten minutes; FUZZ_SEED=1)
	FUZZ_EXAMPLES=3000 $(BIN)/python -m pytest tests/http/test_generated_queries.py tests/http/test_generated_bytes.py

test-httpx: .venv/dev.ok ## run the tests of failures and the contract suite over httpx's own transport
	TRACEGRAPH_TESTS_TRANSPORT=httpx $(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests/reliability tests/contract

soak: .venv/dev.ok ## send mixed queries while vendors fail at random (SECONDS=600 SEED=1)
	$(BIN)/python -m tools.soak --seconds $(SECONDS) --seed $(SEED)

soak-httpx: .venv/dev.ok ## the same over httpx's own transport, and without compiled plans
	$(BIN)/python -m tools.soak --seconds $(SECONDS) --seed $(SEED) --transport httpx
	$(BIN)/python -m tools.soak --seconds $(SECONDS) --seed $(SEED) --without-plans

soak-copies: .venv/dev.ok .venv/system.ok ## three copies behind nginx, while Redis fails in four ways and copies restart (SECONDS=600)
	$(BIN)/python -m tools.soak.copies --seconds $(SECONDS)

bench: .venv/dev.ok .venv/system.ok ## measure queries, and other gateways where PEERS=FOLDER has them; write docs/performance.md
	$(BIN)/python -m tools.bench --peers $(PEERS)

flood: .venv/dev.ok ## send 1,000 hostile requests a second with ordinary ones; needs two idle cores (SECONDS=20)
	$(BIN)/python -m tools.flood --seconds $(if $(filter file,$(origin SECONDS)),20,$(SECONDS))

test-plans: .venv/dev.ok ## compare compiled plans with graphql-core's executor over 5,000 random queries (some minutes)
	PLAN_EXAMPLES=5000 $(BIN)/python -m pytest tests/graphql/plans

test-newest: .venv/dev.ok ## compare plans with the newest strawberry and graphql-core, in a venv of their own
	[ -x .venv-newest/bin/python ] || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	.venv-newest/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	.venv-newest/bin/python -m pip install --quiet --upgrade strawberry-graphql graphql-core
	.venv-newest/bin/python -m pip list | grep graphql
	PLAN_EXAMPLES=1000 .venv-newest/bin/python -m pytest tests/graphql/plans

lint: .venv/dev.ok ## check style, types and imports between layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

format: .venv/dev.ok ## apply the style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: .venv-docs/ok ## build the documentation as a site in build/site, with its links checked
	.venv-docs/bin/python -m tools.site build/site

dist: .venv/dev.ok ## check and build the wheel and the source distribution of a release into dist/
	$(BIN)/python -m tools.release dist

schema: .venv/runtime.ok ## write schema.graphql from the code
	$(BIN)/tracegraph schema > schema.graphql

docs-configuration: .venv/dev.ok ## write the tables of docs/configuration.md from the settings
	$(BIN)/python -m tools.configuration_page

live: .venv/dev.ok ## test the gateway with real NeMo, MLflow and Phoenix services (5.2 GB under .live; needs Python 3.12; RELEASES=0.8.1)
	LIVE_RELEASES="$(RELEASES)" $(BIN)/python -m pytest tests/live -m live

web: ## rebuild the pages and the playground from web/ (needs Node 20)
	cd web && npm ci --no-fund --no-audit && npm run build

audit: .venv/dev.ok ## check the dependencies for known vulnerabilities (needs pip-audit's database; see docs/security.md)
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --no-deps --disable-pip -r requirements/runtime.lock

lock: .venv/dev.ok ## update the lock files from pyproject.toml
	$(COMPILE) -o requirements/runtime.lock
	$(COMPILE) --extra otel --group dev -o requirements/dev.lock
	$(COMPILE_DOCS) -o requirements/docs.lock

clean: ## remove .venv, .live, caches and node_modules
	rm -rf .venv .venv-docs .venv-newest build dist .live .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
	       web/node_modules tests/node/node_modules

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, for instance: make PYTHON=python3.12 test"; exit 1; }
	@echo "Setting up .venv from the lock files: a minute or two, once."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; [ "$$(id -u)" = 0 ] && apt-get update -qq \
	  && apt-get install -y -qq python3-venv && $(PYTHON) -m venv .venv; } \
	  || { rm -rf .venv; echo "Python's venv module is needed: install python3-venv."; exit 1; }

.venv/runtime.ok: requirements/runtime.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.ok: requirements/dev.lock .venv/runtime.ok
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

.venv-docs/ok: requirements/docs.lock
	[ -x .venv-docs/bin/python ] || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --require-hashes -r requirements/docs.lock
	@touch $@

# Programs that tests and the benchmark need. If one cannot be installed, the tests that need it are skipped with a reason.
.venv/system.ok: | .venv/bin/python
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null && command -v redis-server >/dev/null \
	  && command -v wrk >/dev/null && command -v nginx >/dev/null && command -v haproxy >/dev/null \
	  && command -v promtool >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver redis-server wrk nginx \
	    haproxy prometheus >/dev/null; \
	else echo "Chromium, ChromeDriver, redis-server, wrk, nginx, haproxy or promtool is missing and cannot be installed without root."; fi
	@touch $@

.venv/node.ok: tests/node/package-lock.json | .venv/bin/python
	@if command -v npm >/dev/null; then cd tests/node && npm ci --no-fund --no-audit --silent; \
	else echo "npm is missing: the checks that are written for Node are skipped."; fi
	@touch $@

.venv/web.ok: web/package-lock.json | .venv/bin/python
	@if command -v npm >/dev/null; then cd web && npm ci --no-fund --no-audit --silent; \
	else echo "npm is missing: the test that builds the pages is skipped."; fi
	@touch $@

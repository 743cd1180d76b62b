PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cksum < requirements.lock | tr ' ' '-')

.PHONY: setup demo test bench lint format lock clean

setup: $(STAMP)

# Everything is pinned and hashed in requirements.lock; nothing else is installed.
$(STAMP): requirements.lock
	@echo "setup: installing $$(grep -c == requirements.lock) pinned packages into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@rm -f $(VENV)/.installed-*
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

demo: setup
	@exec $(BIN)/python -m stack.demo $(DEMO)

test: lint
	@$(BIN)/python -m pytest $(PYTEST)

bench: setup
	@$(BIN)/python -m benchmarks $(BENCH)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict docker-compose.yml deploy .pre-commit-config.yaml
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint deploy/Dockerfile

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Needs uv (any recent version) on the path; the file it writes names no package host.
lock:
	uv pip compile --universal --generate-hashes --all-extras --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --quiet pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .cache .pricewax .mypy_cache .pytest_cache .ruff_cache

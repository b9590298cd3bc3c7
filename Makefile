# Everorder: `make help` lists the targets. Each prepares what it needs; nothing has to be installed by hand
# but Python 3.11 or newer with its venv module.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

.DEFAULT_GOAL := help
.PHONY: help run test check proof bench lock format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Start the whole stack, place one real order, stay up until Ctrl-C
	@exec $(BIN)/everorder dev

test: $(DEV_READY) ## All tests but the long proofs (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not proof"

check: $(DEV_READY) ## Lint, types, import contracts, templates, migrations against models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	$(BIN)/everorder check

proof: $(DEV_READY) ## Kills in numbers, fault tables and ratio gates (under 45 minutes)
	$(BIN)/python -m pytest -m proof -s

bench: $(DEV_READY) ## Orders a second, as ratios measured in one run
	$(BIN)/everorder bench

lock: $(DEV_READY) ## Resolve the dependencies anew into requirements*.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements-dev.lock

format: $(DEV_READY) ## Format the code and sort what can be sorted
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment, the local stack's data and every cache
	rm -rf $(VENV) .everorder build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Preparing $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV_READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Preparing $(VENV) for development (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(RUN_READY)

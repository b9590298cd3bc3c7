# Everorder: `make help` lists the targets. Each prepares what it needs; nothing has to be installed by hand
# but Python 3.11 or newer with its venv module.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --system-certs
TOOLS := $(VENV)/tools
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help run test check proof bench bench-catalog bench-migrations bench-stock lock format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Start the whole stack, place one real order, stay up until Ctrl-C (ARGS="--port 8001")
	@exec $(BIN)/everorder dev $(ARGS)

test: $(DEV_READY) $(TOOLS)/openapi-client/.ready $(TOOLS)/localstripe/.ready ## All tests but the long proofs (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not proof" --numprocesses 3 --dist loadfile

check: $(DEV_READY) ## Lint, types, import contracts, templates, migrations against models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	$(BIN)/everorder check

proof: $(DEV_READY) ## Kills in numbers, fault tables and ratio gates (under 45 minutes)
	$(BIN)/python -m pytest -m proof -s

bench: $(RUN_READY) ## Orders a second, as ratios measured in one run (ARGS="--json --orders 200")
	$(BIN)/everorder bench $(ARGS)

bench-catalog: $(RUN_READY) ## Reads of the catalogue at 1,000 to 1,000,000 products, beside a bare handler (ARGS="--products 1000,10000")
	$(BIN)/everorder bench-catalog $(ARGS)

bench-migrations: $(RUN_READY) ## Migrations of an open shop of a million products, by the longest wait (ARGS="--products 10000")
	$(BIN)/everorder bench-migrations $(ARGS)

bench-stock: $(RUN_READY) ## Holds of stock a second by 64 buyers at once, beside pgbench (ARGS="--rounds 1")
	$(BIN)/everorder bench-stock $(ARGS)

lock: $(DEV_READY) ## Resolve the dependencies anew into requirements*.lock
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev pyproject.toml -o requirements-dev.lock
	echo uv | $(COMPILE) - -o requirements-uv.lock
	echo openapi-python-client | $(COMPILE) - -o requirements-openapi-client.lock
	echo localstripe | $(COMPILE) - -o requirements-localstripe.lock

format: $(DEV_READY) ## Format the code and sort what can be sorted
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment, the local stack's data and every cache
	rm -rf $(VENV) .everorder build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# uv installs in seconds what takes pip a minute; where it does not get through (a mirror that only pip knows), pip does.
$(BIN)/uv: requirements-uv.lock | $(BIN)/python
	@$(PIP) --require-hashes -r requirements-uv.lock
	@touch $@

# Programs that tests run and that need other packages than we do: each in an environment of its own.
$(TOOLS)/%/.ready: requirements-%.lock | $(BIN)/uv
	@echo "Preparing $(@D) (once) ..."
	@$(PYTHON) -m venv $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --system-certs --require-hashes -r $< \
		|| $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(RUN_READY): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Preparing $(VENV) (once) ..."
	@$(UV) --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	@$(UV) --no-deps -e . || $(PIP) --no-deps -e .
	@touch $@

$(DEV_READY): requirements-dev.lock pyproject.toml | $(BIN)/uv
	@echo "Preparing $(VENV) for development (once) ..."
	@$(UV) --require-hashes -r requirements-dev.lock || $(PIP) --require-hashes -r requirements-dev.lock
	@$(UV) --no-deps -e . || $(PIP) --no-deps -e .
	@touch $@ $(RUN_READY)

# Nothing is needed beforehand but make and Python 3.11 or newer: each target sets up what it uses.
#   PYTHON  the interpreter of a new virtual environment      make run PYTHON=python3.12
#   VENV    where that environment is                         make test PYTHON=python3.13 VENV=.cache/py313
#   ARGS    passed on to the program behind a target          make run ARGS='--port 9000'
#   SEED    of a simulation                                   make sim SEED=7

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
SEED ?=

BIN := $(VENV)/bin
RUNTIME := $(VENV)/installed
DEV := $(VENV)/installed-dev
CODE := src tests benchmarks examples tools

# Hundreds of processes read the same code: where it may not be kept compiled, each compiles it anew, and half of a minute is that.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check fix bench sim docs pictures pins

help: ## Show this list
	@echo "Usage: make TARGET [PYTHON=python3.12] [ARGS='…']"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(RUNTIME) ## Start the gateway on 127.0.0.1:8080 with SQLite and the demo provider
	@exec $(BIN)/weighbridge serve $(ARGS)

test: $(DEV) ## Run every test
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(DEV) ## Format, lint, types, layers and unit tests: run before each commit
	@$(BIN)/ruff format --check $(wildcard $(CODE))
	@$(BIN)/ruff check $(wildcard $(CODE))
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto -q -m 'not slow' --hypothesis-profile=quick --ignore=tests/journeys --ignore=tests/simulation --ignore=tests/conformance --ignore=tests/browser --ignore=tests/testing $(ARGS)

fix: $(DEV) ## Format the code and repair what the linter can repair
	@$(BIN)/ruff format $(wildcard $(CODE))
	@$(BIN)/ruff check --fix $(wildcard $(CODE))

bench: $(DEV) ## Measure CPU per request, latency and memory, beside nginx where it is installed
	@$(BIN)/python -m benchmarks $(ARGS)

sim: $(DEV) ## Simulate faults in virtual time; SEED=n replays one run
	@$(BIN)/python -m pytest tests/simulation $(if $(SEED),--sim-seed=$(SEED)) $(ARGS)

docs: $(DEV) ## Write the reference pages anew from the code
	@$(BIN)/python tools/reference.py

pictures: $(DEV) ## Take the documentation's pictures of the dashboard anew; needs Chromium
	@$(BIN)/python tools/pictures.py

pins: $(DEV) ## Take the newest versions that pyproject.toml allows, and write constraints.txt
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[dev]'
	@$(BIN)/python tools/pins.py

$(RUNTIME): pyproject.toml constraints.txt
	@PYTHON='$(PYTHON)' GOAL='$(firstword $(MAKECMDGOALS))' tools/set-up $(VENV) ''
	@touch $@

$(DEV): pyproject.toml constraints.txt
	@PYTHON='$(PYTHON)' GOAL='$(firstword $(MAKECMDGOALS))' tools/set-up $(VENV) '[dev]'
	@touch $(RUNTIME) $@

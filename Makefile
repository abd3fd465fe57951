# Everything a contributor types. `make help` lists it.

PYTHON ?= python3
WORKERS ?= auto
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Variables given on the command line (`make up RHUMB_PORT=9000`) reach the programs: make exports them.
.PHONY: up test lint help
.DEFAULT_GOAL := help

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-5s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(STAMP) ## Start everything, print the addresses; Ctrl-C stops it (RHUMB_PORT=8000 RHUMB_MODEL=...)
	@$(BIN)/python -m server.up $(ARGS)

test: $(STAMP) ## Run all tests (WORKERS=auto, ARGS=... goes to pytest)
	@# With worksteal a worker keeps to neighbouring tests, so that few of them build the same servers and maps again.
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		{ echo "Rhumb needs Python 3.12 or newer, and '$(PYTHON)' is not; try: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Rhumb and its tools into $(VENV), once; torch makes this a large download."
	@# Compiling all of torch's and transformers' modules takes longer than compiling those that are used, once used.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[dev]' -c constraints.txt
	@touch $@

# Everything runs in a virtual environment of its own, from locked wheels.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check bench up lock clean format

help:
	@echo "make demo    set up, play a course through the service, show certificates and the report"
	@echo "make test    set up, run the whole test suite"
	@echo "make check   lint, types, layers"
	@echo "make bench   measure; make bench ONLY=roll-up for one figure"
	@echo "make up      set up and start the service on ./lernline-data"
	@echo "make lock    lock the dependencies anew"

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lernline needs Python 3.11 or newer; set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/lernline demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python bench/run.py $(ONLY)

up: $(STAMP)
	$(BIN)/lernline up

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock:
	$(PYTHON) -m uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11 -o requirements.lock
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11 -o requirements-dev.lock

clean:
	rm -rf $(VENV) demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Everything a newcomer or the checks need; each target prepares .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check lint types layout dev format serve bench clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Bandstand needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing into $(VENV) (some three minutes, once) ..."
	@$(PIP) install --quiet --constraint requirements.lock --editable .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing with the development tools into $(VENV) (some five minutes, once) ..."
	@$(PIP) install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $(VENV)/run.stamp $@

demo: $(VENV)/run.stamp
	@$(BIN)/bandstand demo

test: $(VENV)/dev.stamp
	$(BIN)/pytest --numprocesses auto --dist worksteal

# What `make check` does, in parts that may run side by side (make -j).
check: lint types layout

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/dev.stamp
	$(BIN)/mypy

layout: $(VENV)/dev.stamp
	$(BIN)/pytest tests/packaging/test_layout.py

dev: $(VENV)/dev.stamp

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

serve: $(VENV)/run.stamp
	$(BIN)/bandstand serve

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist bench/out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# fernwatt: `make demo` and `make test` need nothing but Python (3.11 to 3.13) and the package index.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
PROBE = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
CANDIDATES ?= python3.13 python3.12 python3.11 python3 python
PYTEST = $(BIN)/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYTHONUNBUFFERED = 1

.PHONY: help demo test test-all check bench notebooks schema clean

help:
	@echo "make demo       install, run scenarios/street.yaml, say where the report is"
	@echo "make test       install with development tools, run checks and tests"
	@echo "make test-all   the same with the slow tests"
	@echo "make check      ruff, mypy, import-linter"
	@echo "make bench      the benchmarks of docs/performance.md"
	@echo "make notebooks  execute analysis/notebooks"
	@echo "make clean      remove the environment and what tools left"

# Interpreters are probed by running them: a name on the PATH may be a shim that fails,
# and Debian ships a python3 that cannot make environments.
$(BIN)/python:
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c '$(PROBE)' >/dev/null 2>&1; then \
	    echo "environment $(VENV) with $$("$$candidate" --version)"; \
	    exec "$$candidate" -m venv "$(VENV)"; \
	  fi; \
	done; \
	echo "no usable Python 3.11 to 3.13 found: install one with its venv module (Debian: apt install python3-venv)" >&2; exit 1

$(VENV)/.core: setup.cfg pyproject.toml $(BIN)/python
	@echo "installing fernwatt (about 2 GB with its libraries; a few minutes)"
	@constraints="constraints/py$$($(BIN)/python -c 'import sys; print("%d%d" % sys.version_info[:2])').txt"; \
	 $(BIN)/python -m pip install --quiet --constraint "$$constraints" --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "installing the development tools"
	@constraints="constraints/py$$($(BIN)/python -c 'import sys; print("%d%d" % sys.version_info[:2])').txt"; \
	 $(BIN)/python -m pip install --quiet --constraint "$$constraints" --editable '.[dev]'
	@touch $@

demo: $(VENV)/.core
	@$(BIN)/fernwatt run scenarios/street.yaml

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(PYTEST) -m "not slow" -n 2

test-all: check
	$(PYTEST) -n 2

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

notebooks: $(VENV)/.dev
	$(PYTEST) tests/analysis/test_notebooks.py

schema: $(VENV)/.core
	$(BIN)/fernwatt schema > scenarios/schema.json

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

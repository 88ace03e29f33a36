# The ways in. Each sets up what it needs; `make test PYTHON=python3.13` uses another Python.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
DJANGO_CA = $(VENV)/django-ca/.ready
NIQUESTS  = $(VENV)/niquests/.ready
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check lint types imports coverage bench matrix lock clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with everything that is pinned

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mutua needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Node's fetch is one client among many: without npm, or its registry, the demo names it as not installed.
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/peers/node || test "$$CI" != true; fi
	@touch $(READY)

demo: setup  ## the main job once, on this machine, against real clients
	$(BIN)/mutua demo

test: setup $(NIQUESTS)  ## every test, with a small share of each crash, soak and load test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

soak: setup $(NIQUESTS)  ## the crash, soak and load tests with their full counts
	MUTUA_SOAK=1 $(BIN)/python -m pytest -m soak --timeout 1800

check: lint types imports coverage  ## what CI runs

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

coverage: setup $(NIQUESTS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

bench: setup $(DJANGO_CA)  ## the figures of docs/performance.md, measured here
	status=0; $(BIN)/python -m bench || status=1; $(BIN)/python -m bench.issuance || status=1; \
	    $(BIN)/python -m bench.gate || status=1; exit $$status

matrix: setup  ## every client against every server, and docs/compatibility.md from what came of it
	$(BIN)/python -m tests.matrix

# What the bench compares with has a Python environment of its own: mutua needs none of it.
$(DJANGO_CA): requirements/django-ca.txt
	$(PYTHON) -m venv $(VENV)/django-ca
	$(VENV)/django-ca/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# niquests brings a fork of urllib3 that takes its place (urllib3-future): it is tested in a venv of its own.
$(NIQUESTS): requirements/niquests.txt
	$(PYTHON) -m venv $(VENV)/niquests
	$(VENV)/niquests/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

lock: setup  ## resolve the lock file anew
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-header --all-build-deps --extra dev --output-file requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-header --output-file requirements/django-ca.txt requirements/django-ca.in
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --no-header --output-file requirements/niquests.txt requirements/niquests.in

clean:  ## remove what setup made
	rm -rf $(VENV) tests/peers/node/node_modules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
BENCH := .venv-bench

.PHONY: run test lint conformance bench legacy clean

run: $(VENV)/.run ## serve both halves on http://127.0.0.1:8888
	$(BIN)/gunicorn wsgi:app

test: $(VENV)/.dev ## run the tests
	$(BIN)/pytest -n auto

lint: $(VENV)/.dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

conformance: $(VENV)/.dev ## run the openai package's own tests against the mock
	$(BIN)/python -m tests.conformance.run

bench: $(BENCH)/.installed ## measure ours beside floors and peers; QUICK=1 for a rough look
	$(BENCH)/bin/python -m bench $(if $(QUICK),--quick)

legacy: $(VENV)/.legacy ## a stand-in for the legacy search API on http://127.0.0.1:8000
	$(BIN)/python examples/legacy_api/app.py

clean:
	rm -rf $(VENV) $(BENCH) bench/peers/node_modules

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON to one")'
	$(PYTHON) -m venv $(VENV)

# Installed, not only what it needs: then the command llm-proxy is there, too.
$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.legacy: examples/legacy_api/requirements.txt | $(BIN)/python
	$(PIP) -r examples/legacy_api/requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt examples/legacy_api/requirements.txt | $(BIN)/python
	$(PIP) -r requirements-dev.txt
	touch $@

# An environment of its own: the peers must not choose the versions that the tests run with.
$(BENCH)/.installed: requirements-bench.txt requirements.txt bench/peers/package-lock.json | $(BIN)/python
	$(BIN)/python -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	if command -v npm >/dev/null; then cd bench/peers && npm ci --ignore-scripts --loglevel=error; fi
	touch $@

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test lint conformance legacy clean

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

legacy: $(VENV)/.legacy ## a stand-in for the legacy search API on http://127.0.0.1:8000
	$(BIN)/python examples/legacy_api/app.py

clean:
	rm -rf $(VENV)

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

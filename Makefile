# make demo    the whole product against simulated mailbox providers
# make run     real use: first-run set-up, then `mailglass serve`
# make test    installs what the tests need, then runs them
# make check   ruff and mypy
# make soak    the long fuzz and crash runs
# make screenshots  the pictures of the docs, from Chromium
# make docs    writes the generated part of docs/reference

SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: demo run test check soak docs screenshots wheel-test clean

demo: $(STAMP)
	$(BIN)/mailglass demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

run: $(STAMP)
	$(BIN)/mailglass serve

test: $(DEV_STAMP)
	tests/install-servers
	$(BIN)/python -m pytest

soak: $(DEV_STAMP)
	tests/install-servers
	$(BIN)/python -m pytest -m soak

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEV_STAMP)
	$(BIN)/python docs/generate.py

screenshots: $(DEV_STAMP)
	tests/install-servers
	mkdir -p docs/img
	MAILGLASS_SCREENSHOTS=docs/img $(BIN)/python -m pytest tests/web/test_browser.py -k language

wheel-test: $(DEV_STAMP)
	tests/test-wheel $(BIN)/python

$(STAMP): pyproject.toml constraints.txt
	@bash tests/make-venv $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,guard,postgres]'
	@touch $@

clean:
	rm -rf $(VENV) dist build

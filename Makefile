# Everything happens in .venv; set-up is done once and again only when the dependencies change.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test tests lint docs bench browser postgres

help: ## show these lines
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

quickstart: .venv/.ready ## search on embedded data, an answer, the winner exported (nine minutes on 2 cores; resumable)
	$(BIN)/nas launch quickstart --storage sqlite:///quickstart.db
	$(BIN)/nas show quickstart --storage sqlite:///quickstart.db
	$(BIN)/nas export quickstart --storage sqlite:///quickstart.db -o exports/quickstart

test: browser postgres ## lint, docs and all tests, beside each other
	@$(MAKE) --no-print-directory -j lint docs tests

tests: .venv/.ready-test # the longest first; byte code is kept, for many of them start processes
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

lint: .venv/.ready-test ## ruff, mypy --strict and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.ready-test ## the documentation as pages, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: .venv/.ready-test ## does the proxy mislead? (long)
	$(BIN)/python benchmarks/proxy_sanity.py

browser: # Debian's chromium, where it is missing and may be installed; elsewhere the browser tests say why they skip
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null; } || \
		echo "chromium could not be installed: the browser tests will skip"

postgres: # Debian's PostgreSQL, likewise; the tests start a server of their own
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends postgresql >/dev/null; } || \
		echo "PostgreSQL could not be installed: its tests will skip"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "pyramid-nas needs Python 3.11 or newer: name one with  make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

.venv/.ready-test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	@touch $@ .venv/.ready

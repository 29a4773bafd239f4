# make repro   the whole pipeline on all cores           make test       all fast tests
# make smoke   the pipeline with tiny params, in .smoke  make test-all   all but test-merges
# make lint    ruff, mypy, import-linter, snakefmt       make docs       the documentation site
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SNAKEMAKE := snakemake --cores all

.PHONY: setup repro smoke test test-all test-merges lint docs lock bench bench-engines

setup: .venv/installed

# requirements.lock contains all dependencies, so pip does not have to resolve them. compileall
# compiles modules to bytecode on all cores; pip uses only one core. Without the bytecode files, and
# with PYTHONDONTWRITEBYTECODE set, each process would compile torch's modules again. The option -x
# skips modules for newer versions of Python, because their syntax may be invalid in Python 3.11.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --no-compile --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	$(BIN)/python -m compileall -qq --workers 0 -x 'py31[2-9]' .venv/lib
	touch $@

repro: setup
	$(BIN)/$(SNAKEMAKE)

smoke: setup
	rm -rf .smoke
	git clone --quiet . .smoke
	cd .smoke && PYTHONPATH=src ../$(BIN)/tandem overlay params.smoke.yaml params.yaml
	cd .smoke && PYTHONPATH=src ../$(BIN)/$(SNAKEMAKE)

PYTEST := pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: setup
	$(BIN)/$(PYTEST) -m "not slow and not long"

test-all: setup
	$(BIN)/$(PYTEST) -m "not long"

# Runs tests that combine branches with `git merge`, `git rebase`, `git cherry-pick` and
# `tandem merge-lock`, and that check which stages each engine executes afterwards.
test-merges: setup
	$(BIN)/$(PYTEST) -m long tests/sharing/merge

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow

# Builds the site offline in docs/_build/html. Warnings, for example of a broken link, are errors.
docs: setup
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --builder html docs docs/_build/html

# Measures the inference speed of all model variants and writes it to benchmarks/latency.json, which
# is an input of the report.
bench: setup
	$(BIN)/python benchmarks/latency.py

# Counts the stages that the engines execute after a change, and measures the cost of the engines in
# projects of 60, 300 and 1,000 generated stages.
bench-engines: setup
	$(BIN)/python benchmarks/executions.py
	$(BIN)/python benchmarks/engines.py

# Upgrades requirements.lock to the newest versions that pyproject.toml allows; run all tests afterwards.
lock:
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet torch==2.13.0 --editable '.[dev,docs]'
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

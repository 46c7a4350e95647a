# `make` lists what there is. Needs Python 3.11 or newer; everything else is installed into .venv.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format benchmark dist clean

# The first Python that is new enough; name another as `make PYTHON=/path/to/python3.12 …`.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# MLflow and Spark start programs by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
INSTALLED := .venv/installed

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED)  ## create .venv and install embtrain with all that it needs
	@echo "ready: source .venv/bin/activate"

demo: $(INSTALLED)  ## text found on this machine -> Spark -> training -> MLflow -> nearest neighbours
	@$(BIN)/python -m jobs.collect_docstrings
	@$(BIN)/embtrain run --conf conf/demo.yaml
	@$(BIN)/python -m jobs.show_demo

test: lint  ## linters, types, all tests
	@# Three at once: much of the time goes by waiting for Java and for processes to start. Files in order, the slow ones first.
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)  ## ruff and mypy, changing nothing
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(INSTALLED)  ## format the code with ruff, and fix what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

benchmark: $(INSTALLED)  ## run every benchmark beside its peer
	@for benchmark in benchmarks/bench_*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

dist:  ## dist/embtrain.zip, for spark-submit --py-files: committed files only
	@mkdir -p dist
	@git diff --quiet HEAD -- pipelines jobs embtrain || echo "make: uncommitted changes are left out" >&2
	@git archive --format=zip --output dist/embtrain.zip HEAD pipelines jobs embtrain
	@echo dist/embtrain.zip

clean:  ## delete caches and builds; .venv, snapshots and MLflow's records stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
	@find embtrain pipelines jobs tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: embtrain needs Python 3.11 or newer and found none;" \
		"install one, or name it: make PYTHON=/path/to/python3.11 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) cannot make virtual environments;" \
		"on Debian and Ubuntu: apt-get install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 2 GB, two minutes on a fast line):"
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[all,dev]" \
		| awk '/^(Collecting|Installing collected)/ { print "  " $$1, $$2; fflush() }'
	@touch $@

# `make` lists what there is to do. Everything is kept below this folder: .venv/ and build/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# The first Python that is new enough; `make PYTHON=python3.12 venv` chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; done)
BIN := .venv/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
INVOICES ?=
SECONDS ?= 120
SEED ?= 1
ONLY ?= traco.*
export TRACO_ENGINE_DIR ?= $(CURDIR)/build/engine

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

## Set-up

.venv/pyvenv.cfg:
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed and none was found; name it: make PYTHON=path" >&2; exit 1; fi
	echo "Making .venv with $$("$(PYTHON)" --version) ..."
	"$(PYTHON)" -m venv .venv || { echo "On Debian and Ubuntu the package python3-venv is needed." >&2; rm -rf .venv; exit 1; }

.venv/installed: requirements.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing the pinned dependencies (half a minute) ..."
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	touch $@

.venv/installed-dev: requirements-dev.txt | .venv/installed
	@echo "Installing the pinned tools for development (half a minute) ..."
	$(PIP) install --require-hashes -r requirements-dev.txt
	touch $@

.PHONY: venv venv-dev lock
venv: .venv/installed ## Make .venv with the pinned dependencies and the `traco` command
venv-dev: .venv/installed .venv/installed-dev ## The same with the tools for tests and checks
lock: venv-dev ## Renew requirements.txt and requirements-dev.txt from pyproject.toml
	@$(PY) -m piptools compile --quiet --upgrade --output-file=requirements.txt pyproject.toml
	$(PY) -m piptools compile --quiet --upgrade --extra=dev --constraint=requirements.txt --output-file=requirements-dev.txt pyproject.toml
	echo "Read the difference, then run make test."

# Where neither Go nor its modules can be had, what needs the engine says so itself.
.PHONY: engine
engine: venv ## Build CometBFT, the engine of a cluster, into build/engine (a minute; needs Go's modules)
	@$(BIN)/traco engine install

## Show

.PHONY: demo
demo: venv ## Run the ten steps of the demonstration; INVOICES=folder takes your own invoices
	@mkdir -p build
	$(BIN)/traco demo --dir build/demo $(if $(INVOICES),--invoices "$(INVOICES)")

.PHONY: demo-cluster
demo-cluster: engine ## Four organisations found a network, trade across it, admit a node, lose one and get it back
	@mkdir -p build
	$(BIN)/traco demo-cluster --dir build/demo-cluster

.PHONY: demo-channels
demo-channels: engine ## Five organisations trade in confidential channels, settle across two, lose a disk, lie, are audited
	@mkdir -p build
	$(BIN)/traco demo-channels --dir build/demo-channels

.PHONY: demo-node
demo-node: venv ## Show a node's daily life: explorer, reports, backup, destruction, restore
	@mkdir -p build
	$(BIN)/traco demo-node --dir build/demo-node

## Check

.PHONY: check test
check: venv-dev ## Format, lint, types, import rules, style tests (seconds)
	@$(PY) -m ruff format --check --quiet --output-format=concise . || { echo "Not formatted; run: $(BIN)/ruff format ." >&2; exit 1; }
	$(PY) -m ruff check --quiet --output-format=concise .
	$(PY) -m mypy --no-error-summary
	report=$$($(BIN)/lint-imports --no-logo) || { echo "$$report"; exit 1; }
	$(PY) -m pytest -q tests/style

test: check ## All tests with branch coverage, at least 95 % of kernel, modules and storage
	@tools/run_tests.sh $(PY)

.PHONY: mutants torture torture-cluster torture-channels torture-selftest fuzz bench
mutants: venv-dev ## Plant faults in keepers, trees and codec; tests must find 85 %; ONLY='traco.kernel.codec*'
	@mkdir -p build
	echo "Running mutants of $(ONLY); this takes long, progress is in build/mutants.log ..."
	$(BIN)/mutmut run "$(ONLY)" > build/mutants.log 2>&1 || { tail -n 40 build/mutants.log; exit 1; }
	$(PY) tools/mutation_gate.py mutants "$(ONLY)"

torture: venv-dev ## Crashes, power cuts and a simulation compared with a model; SECONDS=n SEED=n
	@PYTHONPATH=tests $(PY) -m torture --seconds "$(SECONDS)" --seed "$(SEED)"

torture-cluster: venv-dev ## A real network of four nodes under load and faults of every kind; SECONDS=n SEED=n ONLY='delay members'
	@PYTHONPATH=src:tests $(PY) -m torture_cluster --seconds "$(SECONDS)" --seed "$(SEED)" --only $(filter-out traco.*,$(ONLY))

torture-channels: venv-dev ## Confidential channels, their nodes, custodians, disks and wires failing; SECONDS=n SEED=n
	@PYTHONPATH=src:tests $(PY) -m torture_channels --seconds "$(SECONDS)" --seed "$(SEED)"

torture-selftest: venv-dev ## Plant known faults, in the ledger, in channels and in a network, and see that torture finds every one
	@PYTHONPATH=tests $(PY) -m torture --selftest --seed "$(SEED)"
	PYTHONPATH=src:tests $(PY) -m torture_channels --selftest --seed "$(SEED)"
	PYTHONPATH=src:tests $(PY) -m torture_cluster --selftest --seed "$(SEED)"

fuzz: venv-dev ## Fuzz everything that reads bytes from outside; SECONDS=n in all, SEED=n, ONLY='invoice token'
	@PYTHONPATH=src:tests $(PY) -m fuzz --seconds "$(SECONDS)" --seed "$(SEED)" $(filter-out traco.*,$(ONLY))

bench: venv-dev ## Measure speed and size: a table, and build/bench.json
	@mkdir -p build
	$(PY) -m bench --output build/bench.json

.PHONY: bench-node
bench-node: venv-dev ## Measure a whole node: REST, projections, statements, restore, start; build/bench-node.json
	@mkdir -p build
	$(PY) -m bench.node --output build/bench-node.json

.PHONY: bench-cluster
bench-cluster: venv-dev engine ## Measure four validators on this machine: rate, latency, catching up; build/bench-cluster.json
	@mkdir -p build
	$(PY) -m bench.cluster --output build/bench-cluster.json

.PHONY: bench-channels
bench-channels: venv-dev engine ## Measure channels on four validators: rates, latency, bytes, rebuild, idle ones; build/bench-channels.json
	@mkdir -p build
	$(PY) -m bench.channels --output build/bench-channels.json

## Others

.PHONY: reference clean
reference: venv-dev ## Generate docs/reference from the instruction and error definitions
	@$(PY) tools/reference.py docs/reference

clean: ## Remove everything that was generated, .venv too
	@rm -rf .venv build mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

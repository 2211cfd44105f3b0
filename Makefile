# Every command of the house. `make` alone lists them.
# The environment is .venv; it is made again only when pyproject.toml changes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/made-from-pyproject
SEED ?= 1
# More at once would measure the machine: many tests wait for real processes.
WORKERS ?= -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help venv demo test test-real test-kernel check fix protos docs sim soak bench bench-master

help: ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## make .venv: Fairlead itself (editable) and what its developers use

$(STAMP): pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make venv: $(PYTHON) is not installed; run: sudo apt-get install -y python3 python3-venv"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make venv: $$("$(PYTHON)" --version) is too old, Fairlead needs 3.11 or newer; run: make venv PYTHON=python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make venv: $(PYTHON) comes without venv and ensurepip; run: sudo apt-get install -y python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(STAMP)

demo: venv ## a local cluster, shell tasks and a map_reduce over real files; leaves nothing behind
	$(BIN)/python examples/demo.py

test: venv ## the tests, real processes included; each skip says what is missing
	$(BIN)/python -m pytest tests --ignore tests/real -m 'not soak' $(WORKERS) $(PYTEST_ARGS)

test-real: venv ## the tests that need real hardware or real services; root on Debian: installs a Docker engine
	@$(BIN)/python -m tests.support.docker_engine
	@if [ -d tests/real ]; then \
	  rc=0; $(BIN)/python -m pytest tests/real -m 'not soak' $(PYTEST_ARGS) || rc=$$?; \
	  if [ $$rc -eq 5 ]; then echo "test-real: no test in tests/real applies here"; else exit $$rc; fi; \
	else \
	  echo "test-real: would run tests/real (real GPUs, real services); there are none yet"; \
	fi

test-kernel: venv ## isolation in an emulated machine; FAIRLEAD_KERNEL=vmlinuz, needs qemu and virtme-ng
	$(BIN)/python -m pytest tests/real/test_version_2.py

check: venv ## linting, formatting, types and the import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: venv ## what `make check` can put right by itself: import order, formatting
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

protos: venv ## regenerate the code committed beside protos/*.proto
	$(BIN)/python -m grpc_tools.protoc -Ifairlead/protos=protos \
	  --python_out=src --pyi_out=src protos/*.proto
	$(BIN)/python -m grpc_tools.protoc -Ifairlead/protos=protos \
	  --grpc_python_out=src $$(grep -l '^service ' protos/*.proto)

docs: venv ## the tables of docs/cli.md and the pictures of docs/lives.md, out of the code
	$(BIN)/python -m fairlead.cli.outcomes docs/cli.md
	$(BIN)/python -m tests.drawings

sim: venv ## one simulated cluster life; SEED=n chooses it
	$(BIN)/python -m fairlead.sim --seed $(SEED)

soak: venv ## hostile messages for minutes, planted bugs, then simulated lives with new seeds, until told otherwise (Ctrl-C)
	$(BIN)/python -m tests.fuzz --walks 20000 --first $$(date +%s)
	$(BIN)/python -m tests.planted
	$(BIN)/python -m fairlead.sim --until-told $$(date +%s) --report soak.txt --commit $$(git describe --always --dirty)

bench: venv bench-master ## what README claims, measured
	$(BIN)/python benchmarks/calls.py
	$(BIN)/python benchmarks/first_result.py
	$(BIN)/python benchmarks/command.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/sessions.py
	$(BIN)/python benchmarks/holds.py
	$(BIN)/python benchmarks/tasks.py
	$(BIN)/python benchmarks/docker.py
	$(BIN)/python benchmarks/suspend.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/simulator.py

bench-master: venv ## what is asked of the master's speed, within a quarter of an hour on a quiet machine
	$(BIN)/python benchmarks/allocation.py --everything --runs 3
	$(BIN)/python benchmarks/registration.py --runs 2
	$(BIN)/python benchmarks/offers.py --runs 3
	$(BIN)/python benchmarks/polling.py --runs 2
	-$(BIN)/python benchmarks/probe.py
	! $(BIN)/python benchmarks/probe.py --slowed 100 --agents 2000

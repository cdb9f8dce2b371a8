# Two commands, each complete in itself on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
SHELL := /bin/bash
TODAY := $(shell date +%F)
BENCHMARKS := step zero_step packed_step loss_memory checkpoint loader

.PHONY: demo test e2e chaos bench lint clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,dev]'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m launcher.train.engines.ops
	touch $@

demo: $(INSTALLED)
	$(BIN)/launcher run recipes/demo/headlines.yaml

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell launcher recipes cluster slurm tests docs README.md CONTRIBUTING.md
	$(BIN)/pytest tests -m 'not slow' --durations 15

# What the extra `gpu` brings, apart: where Triton is, other libraries import it at every start
build/gpu/.installed: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps --upgrade --target build/gpu liger-kernel triton
	touch $@

e2e: $(INSTALLED) build/gpu/.installed
	$(BIN)/pytest tests -m slow -s --ignore tests/chaos

chaos: $(INSTALLED)
	CHAOS_LEDGER=$${CHAOS_LEDGER:-build/chaos.jsonl} $(BIN)/pytest tests/chaos -m 'not thorough' -s

bench: $(addprefix bench-,$(BENCHMARKS))

bench-%: $(INSTALLED)
	set -o pipefail; $(BIN)/python -m benchmarks.$* | tee benchmarks/results/$(TODAY)-$*.txt

lint: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

clean:
	rm -rf .venv runs build dist

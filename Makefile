# The two commands: `make run` and `make test`. Both do all their own set-up.
.PHONY: help run test test-rules test-c setup setup-tests lint format fuzz torture bench clean

PY := .venv/bin/python
BIN := .venv/bin
C_SOURCES := $(shell find probes skb multikernel -name '*.c' -o -name '*.h')

help: ## say what there is to make
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: setup ## the main job: probe this machine, boot the multikernel, measure, place, run, show why
	@$(BIN)/multikernel demo $(ARGS)

test: setup-tests ## lint, types and all tests
	@tools/test.sh $(ARGS)

setup: ## install what is missing, make .venv, build (fast when nothing changed)
	@tools/setup.sh

setup-tests:
	@tools/setup.sh --tests

lint: setup ## ruff, mypy --strict, clang-format, import rules
	@tools/lint.sh

format: setup ## rewrite Python and C the way the linters want them
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format -q .
	@$(BIN)/clang-format -i $(C_SOURCES)

fuzz: setup ## mutated recordings through the probes, for minutes (ARGS="--seconds 600 --seed 7")
	@$(PY) tests/fuzz/fuzz.py $(ARGS)

SECONDS ?= 600
torture: setup ## channels between processes that stall and are killed, for 10 minutes (SECONDS=60 SEED=7)
	@$(PY) tests/torture/torture.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

test-rules: setup ## the tests of the rules, with swipl alone
	@$(BIN)/pytest -q tests/rules $(ARGS)

test-c: setup-tests ## the C library of channels: sanitizers, models of all interleavings, AArch64
	@$(BIN)/pytest -q tests/multikernel/urpc/test_urpc_sanitizers.py tests/multikernel/urpc/test_urpc_models.py \
		tests/multikernel/urpc/test_urpc_bursts.py tests/multikernel/urpc/test_urpc_aarch64.py $(ARGS)

bench-%: setup
	@tools/bench.sh $* $(ARGS)

bench: setup ## all benchmarks, beside peers and limits, and as JSON in build/bench; bench-urpc, bench-crossover...: one (ARGS="--rounds 5")
	@tools/bench.sh $(ARGS)

clean: ## remove everything that set-up and tests made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

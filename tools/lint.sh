#!/usr/bin/env bash
# Everything that can be said of the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
find probes skb multikernel \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 -r $bin/clang-format --dry-run -Werror
$bin/lint-imports --no-cache

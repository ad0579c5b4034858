#!/usr/bin/env bash
# Lint, types and all tests, in parallel. Arguments go to pytest; with any, lint is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi
tools/lint.sh
exec .venv/bin/python -m pytest -n 4 --dist worksteal

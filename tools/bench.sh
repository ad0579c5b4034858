#!/usr/bin/env bash
# Run every benchmark of bench/, or those named: tools/bench.sh urpc
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/bench
for file in bench/bench_*.py; do
    name=$(basename "$file" .py); name=${name#bench_}
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    .venv/bin/python "$file" --json "build/bench/$name.json"
done

#!/usr/bin/env bash
# Run every benchmark of bench/, or those named; what begins with a dash and all after it is for the benchmark: tools/bench.sh urpc --rounds 5
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/bench
names=()
while [ $# -gt 0 ] && [[ $1 != -* ]]; do names+=("$1"); shift; done
for file in bench/bench_*.py; do
    name=$(basename "$file" .py); name=${name#bench_}
    if [ ${#names[@]} -gt 0 ] && [[ " ${names[*]} " != *" $name "* ]]; then continue; fi
    .venv/bin/python "$file" --json "build/bench/$name.json" "$@"
done

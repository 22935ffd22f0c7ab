#!/usr/bin/env bash
# Runs the tests behind every row of the scorecard, all points of the sweeps, and writes docs/scorecard.md. From
# anywhere; three quarters of an hour on two cores. What is needed to run them is installed by scripts/test.sh.
#
#   scripts/scorecard.sh [--quick]
#
# --quick takes the sample of the sweeps that scripts/test.sh takes.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
how=()
[ "${1:-}" != --quick ] || how=(--quick)
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/scorecard"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target PYTHONDONTWRITEBYTECODE=1 PYTHON_WITH_OPENAI=${PYTHON_WITH_OPENAI:-$target/venv/bin/python}
out=$target/scorecard

cargo build --locked || exit 1
cargo nextest run --locked --no-fail-fast --color never 2>&1 | tee "$out/nextest.txt" | grep -vE '^ +PASS'
python3 tests/faults/run.py --vault "$target/debug/vault" --jobs 2 --slow 3 "${how[@]}" | tee "$out/faults.txt"
step() {
    local name=$1
    shift
    if "$@" >&2; then echo "ok $name"; else echo "FAIL $name"; fi
}
deny() { "$(scripts/tool.sh cargo-deny)" --locked check bans licenses sources; }
{ step "fuzz" scripts/fuzz.sh; step "cargo deny" deny; } >"$out/steps.txt"
python3 tests/scorecard.py "$out/nextest.txt" "$out/faults.txt" "$out/steps.txt"

#!/usr/bin/env bash
# Fuzzes the parsers and the merge. From anywhere.
#
#   scripts/fuzz.sh [--seconds N] [--jobs N] [TARGET…]
#
# Each target gets N seconds (3 unless told), on what it knows already: its seeds, what was found before, and what
# earlier runs kept in target/fuzz/corpus. A finding is kept in fuzz/regressions, which tests/fuzz.rs replays for ever;
# the status is 1. libFuzzer comes as the crate libfuzzer-sys and needs a C++ compiler; `cargo fuzz run TARGET` does the
# same with an address sanitizer, on a nightly compiler.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=3 jobs=2
while [ $# -gt 0 ]; do
    case $1 in
    --seconds) seconds=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    -*) echo "usage: scripts/fuzz.sh [--seconds N] [--jobs N] [TARGET…]" >&2; exit 2 ;;
    *) break ;;
    esac
done
all=$(for file in fuzz/fuzz_targets/*.rs; do basename "$file" .rs; done)
targets=${*:-$all}
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/fuzz"
target=$(cd "$target" && pwd)

# The versions that the product is built with, and the fuzzer's own. Only our code is instrumented, and so the
# dependencies are those of the tests.
cp Cargo.lock fuzz/Cargo.lock
CARGO_TARGET_DIR=$target RUSTC_WRAPPER=$PWD/fuzz/instrument.sh cargo build --quiet --manifest-path fuzz/Cargo.toml
fuzz=$target/fuzz

# fuzz TARGET: status 1 on a finding.
fuzz() {
    local name=$1 length=4096
    case $name in file) length=65536 ;; audit | chain | profile) length=20000 ;; merge) length=64 ;; esac
    local known=()
    for directory in fuzz/seeds/"$name" fuzz/regressions/"$name"; do [ -d "$directory" ] && known+=("$directory"); done
    if [ "$name" = file ]; then known+=(tests/vectors/valid tests/vectors/reject); fi
    local kept=$fuzz/corpus/$name found=$fuzz/found/$name
    mkdir -p "$kept" "$found"
    if "$target/debug/$name" "$kept" "${known[@]}" -max_total_time="$seconds" -max_len="$length" -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1 >"$found/../$name.log" 2>&1; then
        printf '%-9s %s\n' "$name" "$(awk '/number_of_executed_units/ { print $2 " inputs" }' "$found/../$name.log")"
        return 0
    fi
    printf '%-9s FAILED, see %s\n' "$name" "$found/../$name.log"
    grep -m 3 -E 'panicked at|ERROR: libFuzzer|^[a-z].*:$' "$found/../$name.log" || tail -n 5 "$found/../$name.log"
    mkdir -p "fuzz/regressions/$name"
    for input in "$found"/*; do [ -f "$input" ] && cp "$input" "fuzz/regressions/$name/"; done
    return 1
}

failed=0 running=0
for name in $targets; do
    fuzz "$name" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"

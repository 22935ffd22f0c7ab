#!/bin/sh
# Builds vault as it is released, and prints where it is.
#
#   scripts/build-release.sh [TARGET]        on Linux, for this machine unless told otherwise
#
# What differs from `cargo build --release`, and why (figures: docs/performance.md):
#
# - Linked statically: the dynamic loader's work at every start is saved. The program
#   asks no name service and loads nothing at run time, so nothing is lost by it. Still
#   position-independent, for address space randomization. Needs an explicit --target,
#   or procedural macros would be linked so as well.
# - Poly1305 without AVX2: what the wide code prepares pays from some hundred bytes on,
#   and values are shorter. The same results by constant-time code either way.
# - Link-time optimization over all crates, which is too slow for every day.
set -eu
cd "$(dirname "$0")/.."
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
case $target in
*-linux-*) static="-C target-feature=+crt-static" ;;
*) static="" ;;
esac
RUSTFLAGS="$static --cfg poly1305_force_soft" CARGO_PROFILE_RELEASE_LTO=fat \
    cargo build --release --locked --target "$target" >&2
echo "${CARGO_TARGET_DIR:-target}/$target/release/vault"

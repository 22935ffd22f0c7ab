#!/bin/sh
# Builds vault as it is released, and prints where it is.
#
#   scripts/build-release.sh [TARGET]        on Linux, for this machine unless told otherwise
set -eu
cd "$(dirname "$0")/.."
. scripts/release-settings.sh
cargo build --release --locked --target "$triple" --bin vault >&2
echo "${CARGO_TARGET_DIR:-target}/$triple/release/vault"

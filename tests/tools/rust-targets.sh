#!/bin/sh
# rust-targets.sh [TARGET…]: the toolchain, components and targets that rust-toolchain.toml names, and these targets: installed if they are missing.
set -eu
cd "$(dirname "$0")/../.."

toolchain=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
targets="wasm32-wasip1 wasm32-unknown-unknown $*"

if ! command -v rustup > /dev/null; then
    # A distribution's Rust: it will do if it has the wasm targets.
    for target in $targets; do
        if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
            echo "Rust's target $target is missing: install Rust with rustup (https://rustup.rs), or your distribution's package for it." >&2
            exit 1
        fi
    done
    exit 0
fi

installed() {
    rustup toolchain list | grep -q "^$toolchain" || return 1
    have="$(rustup target list --toolchain "$toolchain" --installed) $(rustup component list --toolchain "$toolchain" --installed)"
    for wanted in $targets clippy rustfmt; do
        case $have in *"$wanted"*) ;; *) return 1 ;; esac
    done
}

if ! installed; then
    echo "==> install Rust $toolchain with" $targets
    rustup toolchain install "$toolchain" --profile minimal --component clippy,rustfmt --target "$(echo $targets | tr ' ' ,)"
fi

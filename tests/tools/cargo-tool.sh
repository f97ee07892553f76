#!/bin/sh
# cargo-tool.sh PACKAGE VERSION --bin PROGRAM [OPTION…]: a program from crates.io, built once into target/tools/bin.
set -eu
cd "$(dirname "$0")/../.."

package=$1 version=$2 program=$4
shift 2
tools=$CARGO_TARGET_DIR/tools

if "$tools/bin/$program" --version 2> /dev/null | grep -qF " $version"; then
    exit 0
fi
echo "==> build $program $version (once, some minutes)"
start=$(date +%s)
# Its own target directory, so that the product's builds do not wait for its lock. Nobody debugs the tool: no debug info.
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/tools-build" CARGO_PROFILE_DEV_DEBUG=0
install() {
    cargo install --quiet --force --debug --root "$tools" "$package" --version "$version" "$@"
}
# With the dependencies that its authors tested, unless one of them cannot be had any more.
mkdir -p "$CARGO_TARGET_DIR"
log=$CARGO_TARGET_DIR/$package.log
install --locked "$@" 2> "$log" || {
    echo "    not with its own Cargo.lock ($(sed -n 's/^error: //p' "$log" | head -n 1)); now without"
    install "$@"
}
printf '    done in %s s\n' "$(($(date +%s) - start))"

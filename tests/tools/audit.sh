#!/bin/sh
# audit.sh CARGO-DENY [OPTION…]: known vulnerabilities of the dependencies, by the RustSec advisory database.
set -eu
cd "$(dirname "$0")/../.."

log=$CARGO_TARGET_DIR/advisory-db.log
mkdir -p "$CARGO_TARGET_DIR"
"$@" fetch db > "$log" 2>&1 || {
    echo "The advisory database could not be fetched from github.com, so nothing was checked; ${log#"$PWD/"} says why." >&2
    exit 1
}
"$@" check advisories

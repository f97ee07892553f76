#!/bin/sh
# Fails if the filter would carry two versions of one crate.
set -eu
cd "$(dirname "$0")/../.."

twice=$(cargo tree --quiet --locked -p tollgate-filter --duplicates --target wasm32-wasip1 --edges normal 2> /dev/null)
if [ -n "$twice" ]; then
    echo "The filter would carry these crates in more than one version:" >&2
    echo "$twice" >&2
    exit 1
fi

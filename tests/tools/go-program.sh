#!/bin/sh
# go-program.sh SOURCE DIRECTORY: a small Go program of the tests, built from SOURCE into DIRECTORY.
set -eu

source=$1 tools=$2
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$(cd "$tools" && pwd)/go/bin:$PATH
fi
mkdir -p "$tools"
# Go knows itself what has changed.
out=$(cd "$tools" && pwd)/${source##*/}
cd "$source"
GOFLAGS=-mod=readonly GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" go build -ldflags "-s -w" -o "$out" .

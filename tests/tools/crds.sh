#!/bin/sh
# crds.sh NAME MODULE VERSION DIRECTORY FILE...: the published resource definitions of a Go module, from these files in it
# (patterns are allowed) into DIRECTORY/NAME-crds.yaml.
set -eu

name=$1 module=$2 version=$3 tools=$4
shift 4
crds=$tools/$name-crds.yaml

if head -n 1 "$crds" 2> /dev/null | grep -qxF "# $module $version"; then
    exit 0
fi
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$tools/go/bin:$PATH
fi
echo "==> fetch the resource definitions of $module $version"
mkdir -p "$tools"
directory=$(go mod download -json "$module@v$version" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
if test -z "$directory"; then
    echo "the Go module $module@v$version cannot be fetched" >&2
    exit 1
fi
{
    echo "# $module $version"
    for pattern in "$@"; do
        for file in "$directory"/$pattern; do
            echo "---"
            cat "$file"
        done
    done
} > "$crds.new"
mv "$crds.new" "$crds"

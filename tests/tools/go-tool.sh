#!/bin/sh
# go-tool.sh PACKAGE VERSION DIRECTORY: a program, built from its Go module into DIRECTORY.
set -eu

package=$1 version=$2 tools=$3
name=${package##*/}
program=$tools/$name

if test -x "$program" && grep -qxF "$version" "$program.version" 2> /dev/null; then
    exit 0
fi
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$tools/go/bin:$PATH
fi
echo "==> build $name $version (once, some minutes)"
start=$(date +%s)
mkdir -p "$tools"
log=$program.log
GOBIN=$(cd "$tools" && pwd) GOFLAGS=-mod=mod GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" \
    go install -ldflags "-s -w" "$package@v$version" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
rm -f "$log"
echo "$version" > "$program.version"
printf '    done in %s s\n' "$(($(date +%s) - start))"

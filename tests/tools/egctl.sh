#!/bin/sh
# egctl.sh VERSION DIRECTORY: Envoy Gateway's egctl, built from its Go module into DIRECTORY/egctl.
set -eu

version=$1 tools=$2
egctl=$tools/egctl

if test -x "$egctl" && grep -qxF "$version" "$egctl.version" 2> /dev/null; then
    exit 0
fi
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$tools/go/bin:$PATH
fi
echo "==> build egctl $version (once, some minutes)"
start=$(date +%s)
mkdir -p "$tools"
log=$egctl.log
GOBIN=$(cd "$tools" && pwd) GOFLAGS=-mod=mod GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" \
    go install -ldflags "-s -w" "github.com/envoyproxy/gateway/cmd/egctl@v$version" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
rm -f "$log"
echo "$version" > "$egctl.version"
printf '    done in %s s\n' "$(($(date +%s) - start))"

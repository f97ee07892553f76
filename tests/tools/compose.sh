#!/bin/sh
# compose.sh VERSION DIRECTORY: docker compose, built from its Go module into DIRECTORY/docker-compose.
#
# To read a compose file it needs no Docker engine. `go install …@version` refuses the module because of its replace
# directives, so it is a tool of a scratch module.
set -eu

version=$1 tools=$2
compose=$tools/docker-compose

if "$compose" version --short 2> /dev/null | grep -qxF "$version"; then
    exit 0
fi
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$tools/go/bin:$PATH
fi
echo "==> build docker compose $version (once, some minutes)"
start=$(date +%s)
scratch=$tools/../tools-build/compose
rm -rf "$scratch"
mkdir -p "$scratch" "$tools"
cd "$scratch"
export GOFLAGS=-mod=mod GOTOOLCHAIN="${GOTOOLCHAIN:-auto}"
go mod init compose > /dev/null 2>&1
go get -tool "github.com/docker/compose/v2/cmd@v$version" > get.log 2>&1 || { cat get.log >&2; exit 1; }
go build -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" -o "$compose" github.com/docker/compose/v2/cmd
printf '    done in %s s\n' "$(($(date +%s) - start))"

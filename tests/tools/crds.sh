#!/bin/sh
# istio_crds.sh VERSION DIRECTORY: Istio's published resource definitions, from its Go module into
# DIRECTORY/istio-crds.yaml.
set -eu

version=$1 tools=$2
crds=$tools/istio-crds.yaml

if head -n 1 "$crds" 2> /dev/null | grep -qxF "# istio.io/api $version"; then
    exit 0
fi
if ! command -v go > /dev/null; then
    python3 "$(dirname "$0")/fetch_go.py" "$tools"
    PATH=$tools/go/bin:$PATH
fi
echo "==> fetch Istio's resource definitions $version"
mkdir -p "$tools"
module=$(go mod download -json "istio.io/api@v$version" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
if test -z "$module"; then
    echo "the Go module istio.io/api@v$version cannot be fetched" >&2
    exit 1
fi
{
    echo "# istio.io/api $version"
    cat "$module/kubernetes/customresourcedefinitions.gen.yaml"
} > "$crds.new"
mv "$crds.new" "$crds"

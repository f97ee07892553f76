#!/bin/sh
# prometheus.sh DIRECTORY: Prometheus and promtool into DIRECTORY: the ones on the PATH, or Debian's package, unpacked but
# not installed, because its installation would start a server.
set -eu

tools=$1

if "$tools/prometheus" --version > /dev/null 2>&1 && "$tools/promtool" --version > /dev/null 2>&1; then
    exit 0
fi
mkdir -p "$tools"
if command -v prometheus > /dev/null && command -v promtool > /dev/null; then
    ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$tools"
    exit 0
fi
if ! command -v apt-get > /dev/null; then
    echo "prometheus and promtool are missing: install them from https://prometheus.io/download." >&2
    exit 1
fi
echo "==> fetch Prometheus"
scratch=$tools/../tools-build/prometheus
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
apt-get download -qq prometheus > get.log 2>&1 || { cat get.log >&2; echo "run apt-get update first" >&2; exit 1; }
dpkg -x prometheus_*.deb .
mv usr/bin/prometheus usr/bin/promtool "$tools"

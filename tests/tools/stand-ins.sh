#!/bin/sh
# stand-ins.sh ENVOY: images under the names that the demo's containers have, where no registry can be reached.
#
# The files come from Debian's packages and from this machine: its Envoy, its Node.js with npm. Needs root, debootstrap and docker.
set -eu

envoy=$1
node_image=node:22.20.0-alpine3.22 envoy_image=envoyproxy/envoy:v1.40.0

is_there() { docker image inspect "$1" > /dev/null 2>&1; }
if is_there "$node_image" && is_there "$envoy_image"; then
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "==> build stand-ins for $node_image and $envoy_image"
debootstrap --variant=minbase --include=ca-certificates,libstdc++6,libatomic1,wget stable "$scratch/root" > "$scratch/log" 2>&1 || { tail "$scratch/log" >&2; exit 1; }
tar -C "$scratch/root" -c . | docker import - tollgate-stand-in:base > /dev/null

mkdir -p "$scratch/node/bin" "$scratch/node/lib" "$scratch/envoy"
cp "$(command -v node)" "$scratch/node/bin/node"
cp -a "$(npm root --global)/npm" "$scratch/node/lib/npm"
# A certificate authority of this machine's own, through which npm reaches its registry.
cp "${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}" "$scratch/node/ca.crt"
cat > "$scratch/node/Dockerfile" << END
FROM tollgate-stand-in:base
RUN useradd --create-home node
COPY bin/node /usr/local/bin/node
COPY lib/npm /usr/local/lib/node_modules/npm
COPY ca.crt /etc/stand-in-ca.crt
ENV NODE_EXTRA_CA_CERTS=/etc/stand-in-ca.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
END
cp "$envoy" "$scratch/envoy/envoy"
cat > "$scratch/envoy/Dockerfile" << END
FROM tollgate-stand-in:base
COPY envoy /usr/local/bin/envoy
END
DOCKER_BUILDKIT=0 docker build --quiet --tag "$node_image" "$scratch/node" > /dev/null
DOCKER_BUILDKIT=0 docker build --quiet --tag "$envoy_image" "$scratch/envoy" > /dev/null

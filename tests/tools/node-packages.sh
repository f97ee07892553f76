#!/bin/sh
# node-packages.sh DIRECTORY…: what each package-lock.json names, installed once.
set -eu
cd "$(dirname "$0")/../.."

# The demo installs by the same stamp, so neither does the other's work again.
digest() {
    node -p 'crypto.createHash("sha256").update(fs.readFileSync(process.argv[1])).digest("hex")' "$1"
}

for directory in "$@"; do
    [ -f "$directory/package.json" ] || continue
    stamp=$directory/node_modules/.installed
    wanted=$(digest "$directory/package-lock.json")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        continue
    fi
    echo "==> fetch the node packages of $directory"
    (cd "$directory" && npm ci --loglevel=error --no-audit --no-fund)
    printf '%s' "$wanted" > "$stamp"
done

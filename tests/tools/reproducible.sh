#!/bin/sh
# reproducible.sh MODULE: builds the module again, from a copy of the work tree in another directory, and compares every byte.
set -eu
cd "$(dirname "$0")/../.."

module=$1
elsewhere=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-elsewhere.XXXXXX")
trap 'rm -rf "$elsewhere"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --no-recursion | tar -xf - -C "$elsewhere"
make --no-print-directory -C "$elsewhere" build > "$elsewhere/log" 2>&1 || { cat "$elsewhere/log" >&2; exit 1; }
for file in "$module" "${module%.wasm}.places"; do
    cmp "$file" "$elsewhere/$file" || { echo "$file depends on the directory in which it is built" >&2; exit 1; }
done

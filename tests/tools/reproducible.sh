#!/bin/sh
# reproducible.sh DIST [MAKE-VARIABLE=VALUE…]: writes the release again, from a copy of the work tree in another directory, and compares every byte.
set -eu
cd "$(dirname "$0")/../.."

dist=$1
shift
elsewhere=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-elsewhere.XXXXXX")
trap 'rm -rf "$elsewhere"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --no-recursion | tar -xf - -C "$elsewhere"
# The copy has the commit's time and name, too.
GIT_DIR=$(git rev-parse --absolute-git-dir)
export GIT_DIR
make --no-print-directory -C "$elsewhere" release "$@" > "$elsewhere/log" 2>&1 || { cat "$elsewhere/log" >&2; exit 1; }
diff --recursive "$dist" "$elsewhere/dist" || { echo "$dist depends on the directory in which it is built" >&2; exit 1; }

#!/bin/sh
# size.sh MODULE BUDGET: fails if the module is bigger than its budget, both in bytes.
set -eu

size=$(wc -c < "$1" | tr -d ' ')
echo "    $1: $size bytes, budget $2"
if [ "$size" -gt "$2" ]; then
    echo "The filter is over its budget by $((size - $2)) bytes: find out why, or raise SIZE_BUDGET in the Makefile." >&2
    exit 1
fi

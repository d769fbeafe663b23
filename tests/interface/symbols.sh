#!/bin/sh
# What the shared library exports is what the header declares, and nothing else; and where the
# linker has versions of symbols, every function has one.
#   symbols.sh nm library header
set -eu
nm=$1
library=$2
header=$3

declared=$(sed -n 's/^\(.* \)\{0,1\}FORKCALL_PUBLIC [^(]*[ *]\([a-z_]*\)(.*/\2/p' "$header" | LC_ALL=C sort)
# Sanitizers, coverage and musl's start files add symbols of their own.
exported=$("$nm" -D --defined-only "$library" | sed 's/.* //; s/@.*//' |
    grep -v -e '^__odr_asan' -e '^__gcov' -e '^__llvm' -e '^__start_' -e '^__stop_' -e '^_init$' -e '^_fini$' -e '^FORKCALL_' | LC_ALL=C sort)
[ -n "$declared" ] || {
    echo "no declarations found in $header" >&2
    exit 1
}
if [ "$declared" != "$exported" ]; then
    echo "declared:" $declared >&2
    echo "exported:" $exported >&2
    exit 1
fi
case $("$nm" -D --defined-only "$library") in
*@@FORKCALL_*)
    without=$("$nm" -D --defined-only "$library" | sed 's/.* //' | grep -e '^forkcall_' -e '^run_in_' | grep -v '@@FORKCALL_' || true)
    [ -z "$without" ] || {
        echo "without a version in src/libforkcall.map:" $without >&2
        exit 1
    }
    ;;
esac

#!/usr/bin/env bash
# The binary interface, as libabigail sees it (Debian: abigail-tools), against that of the last
# release, which lies in packaging/abi. What a release may change stands in docs/abi.md.
#
#   .ci/abi.sh dump            the interface of the present header, on the standard output
#   .ci/abi.sh check LIBRARY   whether LIBRARY, built with -g, still has the interface of the dump,
#                              and whether changes of some kinds would be seen
#
# The dump is that of a library with empty functions, made from the header alone: so it is small,
# and depends on no path, no compiler option and nothing inside the library.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dump=$top/packaging/abi/libforkcall.x86_64.abi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# empty_library HEADER MAP LIBRARY
empty_library()
{
    local dir
    dir=$(dirname "$3")/source
    rm -rf "$dir"
    mkdir -p "$dir"
    cp "$1" "$dir/forkcall.h"
    (
        cd "$dir"
        printf '#include "forkcall.h"\n' >library.c
        gcc -std=c11 -fsyntax-only -aux-info prototypes library.c
        grep -F 'forkcall.h:' prototypes | grep -w extern |
            sed 's,^/\*.*\*/ ,,; s/;$/ { __builtin_trap(); }/' >>library.c
        # Parameters without names are of C23.
        gcc -std=c2x -g -shared -fPIC "-ffile-prefix-map=$dir=." library.c -o "$3" \
            -Wl,-soname,libforkcall.so.0 "-Wl,--version-script=$2"
    )
}

print_dump()
{
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash "$1"
}

# must_see WHAT SED-EXPRESSION: the header with that change must differ.
must_see()
{
    sed -E "$2" "$top/include/forkcall.h" >"$tmp/forkcall.h"
    ! cmp -s "$tmp/forkcall.h" "$top/include/forkcall.h" || { echo "the header has nothing to change: $1"; exit 1; }
    empty_library "$tmp/forkcall.h" "$top/src/libforkcall.map" "$tmp/changed.so"
    print_dump "$tmp/changed.so" >"$tmp/changed.abi"
    ! abidiff --no-added-syms "$dump" "$tmp/changed.abi" >"$tmp/changed.txt" || { echo "not seen: $1"; exit 1; }
    echo "seen: $1"
}

case ${1:-} in
dump)
    empty_library "$top/include/forkcall.h" "$top/src/libforkcall.map" "$tmp/present.so"
    print_dump "$tmp/present.so"
    ;;
check)
    abidiff --no-added-syms "$dump" "$2" || {
        echo "The binary interface is not that of the last release (docs/abi.md). Where the change is one that" \
            "programs survive, such as a field taken from reserved ones: .ci/abi.sh dump >${dump#"$top"/}"
        exit 1
    }
    must_see "a field that becomes larger" 's/^    int code;/    long code;/'
    must_see "a field that is gone" '/^    int grace_ms;/d'
    must_see "a reserved field too few" 's/^    uint64_t reserved\[6\];.*/    uint64_t reserved[5];/'
    must_see "another value of a status" 's/^    FORKCALL_LOST = 9,/    FORKCALL_LOST = 10,/'
    must_see "a function that is gone" '/^FORKCALL_PUBLIC int forkcall_server_stop/d'
    must_see "another type of a parameter" 's/forkcall_wait\(struct forkcall_call \*call, int /forkcall_wait(struct forkcall_call *call, long /'
    ;;
*)
    sed -n '5,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac

#!/bin/sh
# Checks that valgrind reports no errors of the library when a call crashes, neither in the caller
# nor in the child. If valgrind does not know a system call, the library must cause only one message
# for each, and not one in every call. Arguments: valgrind, a program.
set -u
if ! said=$("$1" --quiet "$2" nothing 2>&1); then
    echo "skipped: this valgrind cannot read what this compiler makes: $(echo "$said" | head -n 1)"
    exit 77
fi
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
"$1" --quiet --log-file="$logs/%p" "$2" || exit 1
complaints=$(sed 's/^==[0-9]*== \{0,1\}//' "$logs"/* | grep -E '^(Syscall param|Conditional jump|Use of uninit|Invalid read)')
unknown=$(cat "$logs"/* | sed -n 's/^.*unhandled .*syscall: \(.*\)$/\1/p' | sort | uniq -d)
if [ -n "$complaints$unknown" ]; then
    cat "$logs"/* >&2
    exit 1
fi

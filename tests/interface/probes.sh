#!/bin/sh
# The library has a probe for each event of a call, which says where its arguments lie and where
# tools count themselves in.
#   probes.sh readelf library yes|no
set -eu
readelf=$1
library=$2
if [ "$3" = no ]; then
    echo "skipped: the library was built without sys/sdt.h (Debian: systemtap-sdt-dev)"
    exit 77
fi
found=$("$readelf" -n "$library" | awk '
    /Provider:/ { provider = $NF }
    /Name:/ { name = $NF }
    /Location:/ { counts = $NF != "0x0000000000000000" && $NF != "0x00000000" }
    /Arguments:/ { print provider ":" name, NF - 1, counts }' | LC_ALL=C sort)
expected='forkcall:end 7 1
forkcall:ready 5 1
forkcall:result 5 1
forkcall:running 5 1
forkcall:start 5 1'
if [ "$found" != "$expected" ]; then
    printf 'found:\n%s\nexpected:\n%s\n' "$found" "$expected" >&2
    exit 1
fi

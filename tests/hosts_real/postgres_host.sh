#!/bin/bash
# PostgreSQL, which is no program for threads, with a server of its own for the test:
# postgres_host.sh BINDIR MODULE HELPER
set -euo pipefail
bindir=$1 module=$2 helper=$3
folder=$(mktemp -d /tmp/forkcall-postgres.XXXXXX)
as_user=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 "$folder"
fi
run()
{
    (cd "$folder" && env HOME="$folder" "${as_user[@]}" "$@")
}

# The processes of the helper that this test has started: its server and children run the helper's
# program with the environment of a backend. Only their user may look at both.
helpers()
{
    run bash -c 'for file in $(grep -lszxF "HOME=$HOME" /proc/[0-9]*/environ); do
            [ "$(readlink "${file%/environ}/exe")" = "$1" ] && basename "${file%/environ}"
        done
        true' - "$(realpath "$helper")"
}
finish()
{
    helpers | xargs -r kill -KILL 2>/dev/null || true
    run "$bindir/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf -- "$folder"
}
trap finish EXIT

query()
{
    run "$bindir/psql" -h "$folder" -U tester -d postgres -X -q -t -A -v ON_ERROR_STOP=1 "$@"
}

run "$bindir/initdb" -D "$folder/data" -U tester -N --auth=trust >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
run "$bindir/pg_ctl" -D "$folder/data" -w -l "$folder/server.log" \
    -o "-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off -c shared_buffers=1MB" start >"$folder/log" 2>&1 ||
    { cat "$folder/log" "$folder/server.log"; exit 1; }
for name in 'begin(text)' 'calls()' 'end()' 'hang()'; do
    query -c "CREATE FUNCTION host_$name RETURNS text LANGUAGE c AS '$module', 'host_${name%%(*}'"
done

# One backend: crash, hang, answers; nothing is left.
said=$(query -v ON_ERROR_STOP=0 -c "SELECT host_begin('$helper')" -c 'SELECT host_calls()' -c 'SELECT host_end()' 2>&1) || true
[ "$(grep -c '^ok$' <<<"$said")" = 3 ] || { echo "in one backend: $said"; exit 1; }

# A statement's timeout ends a call, and the backend goes on.
said=$(query -v ON_ERROR_STOP=0 -c "SELECT host_begin('$helper')" -c "SET statement_timeout = 200" -c 'SELECT host_hang()' \
    -c 'SET statement_timeout = 0' -c 'SELECT host_calls()' -c 'SELECT host_end()' 2>&1) || true
grep -q 'statement timeout' <<<"$said" || { echo "no statement timeout: $said"; exit 1; }
[ "$(grep -c '^ok$' <<<"$said")" = 3 ] || { echo "after a statement timeout: $said"; exit 1; }

# pg_terminate_backend() ends a call and its backend.
query -c "SELECT host_begin('$helper')" -c 'SELECT host_hang()' >"$folder/hang.log" 2>&1 &
hanging=$!
seen=
for ((i = 0; i < 600; i++)); do
    seen=$(helpers)
    [ -z "$seen" ] || break
    sleep 0.05
done
[ -n "$seen" ] || { echo "no process of the helper while a function hangs:"; cat "$folder/hang.log"; exit 1; }
for ((i = 0; i < 600; i++)); do
    ended=$(query -c "SELECT count(*) FROM pg_stat_activity, pg_terminate_backend(pid)
        WHERE query = 'SELECT host_hang()' AND state = 'active' AND backend_type = 'client backend'")
    [ "$ended" = 0 ] || break
    sleep 0.05
done
wait "$hanging" && { echo "the backend was not ended"; exit 1; }
grep -q 'terminating connection' "$folder/hang.log" || { cat "$folder/hang.log"; exit 1; }

# Nothing of the library is left behind, of no backend.
for ((i = 0; i < 600; i++)); do
    left=$(helpers)
    [ -n "$left" ] || exit 0
    sleep 0.05
done
echo "processes of forkcall-helper are left: $left"
exit 1

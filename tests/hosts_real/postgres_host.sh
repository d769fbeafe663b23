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
finish()
{
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
[ "$(query -c "SELECT host_begin('$helper')" -c 'SELECT host_calls()' -c 'SELECT host_end()' | sort -u)" = ok ]

# A statement's timeout ends a call, and the backend goes on.
said=$(query -v ON_ERROR_STOP=0 -c "SELECT host_begin('$helper')" -c "SET statement_timeout = 200" -c 'SELECT host_hang()' \
    -c 'SET statement_timeout = 0' -c 'SELECT host_calls()' -c 'SELECT host_end()' 2>&1)
grep -q 'statement timeout' <<<"$said" || { echo "no statement timeout: $said"; exit 1; }
[ "$(grep -c '^ok$' <<<"$said")" = 3 ] || { echo "after a statement timeout: $said"; exit 1; }

# pg_terminate_backend() ends a call and its backend.
query -c "SELECT host_begin('$helper')" -c 'SELECT host_hang()' >"$folder/hang.log" 2>&1 &
hanging=$!
for ((i = 0; i < 600; i++)); do
    ended=$(query -c "SELECT count(*) FROM pg_stat_activity, pg_terminate_backend(pid)
        WHERE query = 'SELECT host_hang()' AND state = 'active' AND backend_type = 'client backend'")
    [ "$ended" = 0 ] || break
    sleep 0.05
done
wait "$hanging" && { echo "the backend was not ended"; exit 1; }
grep -q 'terminating connection' "$folder/hang.log" || { cat "$folder/hang.log"; exit 1; }

# Nothing of the library is left behind, in no backend.
for ((i = 0; i < 600; i++)); do
    pgrep -P "$(head -n 1 "$folder/data/postmaster.pid")" -f forkcall >/dev/null || exit 0
    sleep 0.05
done
echo "a process of forkcall-helper is left"
exit 1

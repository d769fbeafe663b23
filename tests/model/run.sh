#!/usr/bin/env bash
# Checks the protocol between host and server with spin(1): run.sh [DIRECTORY of server.pml]. It
# works in the current directory, which must be empty. The present protocol must hold, whatever goes
# wrong, and spin must find the faults of the two old ones. Prints the number of states of each run.
# Fails if a run does not end as expected.
set -euo pipefail
model=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")}" && pwd)/server.pml
failed=0

# run NAME safety|liveness holds|fails -D…: checks the assertions (safety), or the formula `ends`
# under weak fairness (liveness).
run()
{
    local name=$1 kind=$2 expected=$3 found states log=$1.log
    shift 3
    local compile=(-DSAFETY -DNOCLAIM) search=(-E)
    [ "$kind" = safety ] || { compile=(-DNFAIR=3) search=(-a -f -N ends); }
    mkdir "$name"
    (cd "$name" && spin "$@" -a "$model" >spin.log && ${CC:-cc} -O1 -w "${compile[@]}" -DMEMLIM=3000 -o pan pan.c &&
        timeout 300 ./pan "${search[@]}" -m1000000 -w23) >"$log" 2>&1 || { cat "$log"; failed=1; return; }
    states=$(awk '/states, stored/ { print $1 }' "$log")
    if grep -q 'errors: 0$' "$log" && ! grep -qi 'max search depth too small\|memory limit\|aborted' "$log"; then
        found=holds
    elif grep -q 'errors: [1-9]' "$log" && grep -q 'assertion violated ((ended+endless)==3)\|acceptance cycle' "$log"; then
        found=fails
    else
        found='did not run to its end'
    fi
    printf '%-24s %-9s %10s states: %s (%s)\n' "$name" "$kind" "$states" "$found" "$*"
    if [ "$found" != "$expected" ]; then
        grep -h 'assertion violated\|acceptance cycle' "$log" || true
        failed=1
    fi
}

run calls           safety   holds -DN=1 -DLIMIT=3
run many-spares     safety   holds -DN=2 -DLIMIT=3 -DK=2 -DFORK_FAILURES=1 -DGIVE_UPS=1
run endless-calls       safety   holds -DN=1 -DLIMIT=5 -DK=2 -DENDLESS=2
run fork-fails      safety   holds -DN=1 -DLIMIT=3 -DK=2 -DFORK_FAILURES=2 -DENDLESS=1
run give-up         safety   holds -DN=1 -DLIMIT=3 -DK=2 -DGIVE_UPS=2 -DFORK_FAILURES=1
run child-dies      safety   holds -DN=1 -DLIMIT=3 -DK=2 -DCHILD_DEATHS=1 -DGIVE_UPS=1
run server-dies     safety   holds -DN=1 -DLIMIT=3 -DK=2 -DSERVER_DEATHS=1 -DCHILD_DEATHS=1
run server-stops    safety   holds -DN=1 -DLIMIT=3 -DK=2 -DSERVER_STOPS=1 -DENDLESS=1
run host-dies       safety   holds -DN=1 -DLIMIT=3 -DK=2 -DHOST_DEATHS=1 -DGIVE_UPS=1
run kept            safety   holds -DN=1 -DLIMIT=3 -DK=2 -DKEEP=1 -DFORK_FAILURES=1 -DENDLESS=1
run kept-dies       safety   holds -DN=1 -DLIMIT=3 -DK=2 -DKEEP=1 -DCHILD_DEATHS=1
run kept-no-server  safety   holds -DN=1 -DLIMIT=3 -DK=2 -DKEEP=1 -DSERVER_STOPS=1 -DSERVER_DEATHS=1
run ends-kept       liveness holds -DN=1 -DLIMIT=3 -DK=2 -DKEEP=1 -DGIVE_UPS=1
run ends            liveness holds -DN=1 -DLIMIT=3 -DK=2 -DFORK_FAILURES=1 -DGIVE_UPS=1
run ends-server-stops liveness holds -DN=1 -DLIMIT=3 -DK=2 -DSERVER_STOPS=1
run old-error       safety   fails -DN=1 -DLIMIT=5 -DOLD_ERROR_READ_AS_EMPTY -DFORK_FAILURES=1
run old-anonymous   safety   fails -DN=1 -DLIMIT=5 -DOLD_ANONYMOUS_ASK -DENDLESS=2
exit "$failed"

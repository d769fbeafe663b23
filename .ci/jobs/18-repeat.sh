# The suite of a release twice beside a load on both cores: a test that is right only when the
# machine is idle fails here.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
CC=gcc setup build "${strict[@]}" -Dbuildtype=release
compile build
load=()
stop_load()
{
    [ ${#load[@]} -eq 0 ] || kill "${load[@]}" 2>/dev/null || true
}
trap stop_load EXIT
for _ in 1 2; do
    # Ends by itself if this script is killed.
    timeout --foreground 1500 sh -c 'while :; do :; done' &
    load+=($!)
done
run_tests build --repeat 2
# Thirty seconds of chaos with new seeds, which are in the log.
stop_load
load=()
for seed in $((RANDOM * 2)) $((RANDOM * 2 + 1)); do
    build/tests/chaos/chaos 15 "$seed"
    count_check "15 s of chaos, seed $seed"
done

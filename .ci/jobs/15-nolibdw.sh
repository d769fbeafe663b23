# A build that cannot load libdw: what is told of crashes then. All other jobs can.
. "$CI_DIR/lib.sh"
need_build_tools
CC=gcc setup build "${strict[@]}" -Dbuildtype=debugoptimized -Dlibdw=disabled
compile build
run_tests build test_crash 'test_crash server' 'test_crash spawn' test_crash_frames test_crash_read test_escape \
    test_report test_server_crash test_symbol test_unwind test_unwind_forged failing_ways_O0 failing_ways_O2 \
    failing_ways_stripped

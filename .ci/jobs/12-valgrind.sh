# Valgrind over a subset of the suite: no bad access, no memory lost, no descriptor left open in the
# test's own process.
. "$CI_DIR/lib.sh"
need_build_tools
need valgrind
CC=gcc setup build -Dbuildtype=debug
compile build
mkdir logs
export VALGRIND_LOGS=$PWD/logs
run_tests build --suite valgrind --timeout-multiplier 20 --wrapper "$CI_DIR/valgrind-test"

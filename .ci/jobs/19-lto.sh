# Link-time optimisation, which could undo what a single file is compiled with: the ways out of the
# function again.
. "$CI_DIR/lib.sh"
need_build_tools
setup build -Db_lto=true -Dexamples=false
compile build
run_tests build test_cplusplus test_exit test_escape test_throw test_crash

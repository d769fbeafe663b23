# Link-time optimisation, which could undo what a single file is compiled with: the ways out of the
# function again.
. "$CI_DIR/lib.sh"
need_build_tools
setup build -Db_lto=true -Dexamples=false
# Each program takes seconds to link, so the others are left out.
programs=(call/test_cplusplus call/test_exit untrusted_child/test_escape call/test_throw call/test_crash)
compile build "${programs[@]/#/tests/}"
run_tests build "${programs[@]##*/}"

# clang with every warning an error, optimised and with debug information.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
need clang
CC=clang build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dbench=true

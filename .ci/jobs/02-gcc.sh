# gcc with every warning an error, as a release is built; any of Meson's own warnings is an error,
# too.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
CC=gcc build_and_test build "${strict[@]}" --fatal-meson-warnings -Dbuildtype=release

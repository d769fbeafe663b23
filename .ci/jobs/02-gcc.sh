# gcc with every warning an error, as a release is built; any of Meson's own warnings is an error,
# too.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
try_install libmsgpack-dev libcbor-dev || skip_part "cannot install libmsgpack-dev and libcbor-dev: examples/msgpack.c and cbor.c are not built"
CC=gcc build_and_test build "${strict[@]}" --fatal-meson-warnings -Dbuildtype=release

# The portable file taken for everything, where this system would have better ones: what other
# systems get. The suite "macos" is run with it: what the kernel of macOS does otherwise is imposed
# on Linux by modules that are preloaded, and files that macOS alone takes are run over stand-ins
# (tests/macos).
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dportable=true

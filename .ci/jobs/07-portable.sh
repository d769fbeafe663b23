# The portable file taken for everything, where this system would have better ones: what other systems get.
. "$CI_DIR/lib.sh"
need_build_tools
try_hostile_libraries
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dportable=true

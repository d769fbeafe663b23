# The optional names and unwinding by libdw, over the whole suite.
. "$CI_DIR/lib.sh"
need_build_tools
need libdw-dev
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dlibdw=enabled

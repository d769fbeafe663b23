# shellcheck shell=bash source-path=SCRIPTDIR/.. source=lib.sh disable=SC1091,SC2154
# The optional names and unwinding by libdw, over the whole suite.
. "$CI_DIR/lib.sh"
need_build_tools
need libdw-dev
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dlibdw=enabled

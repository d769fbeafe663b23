# shellcheck shell=bash source-path=SCRIPTDIR/.. source=lib.sh disable=SC1091,SC2154
# The portable file taken for everything, where this system would have better ones: what other systems get.
. "$CI_DIR/lib.sh"
need_build_tools
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dportable=true

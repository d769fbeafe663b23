# shellcheck shell=bash source-path=SCRIPTDIR/.. source=lib.sh disable=SC1091,SC2154
# The big-endian one: s390x, emulated.
. "$CI_DIR/lib.sh"
. "$CI_DIR/qemu.sh"
qemu_suite s390x s390x s390x big

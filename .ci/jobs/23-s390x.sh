# The big-endian one: s390x, emulated.
. "$CI_DIR/lib.sh"
. "$CI_DIR/qemu.sh"
qemu_suite s390x s390x s390x big

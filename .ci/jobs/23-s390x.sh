# s390x, emulated: the big-endian processor.
. "$CI_DIR/lib.sh"
. "$CI_DIR/qemu.sh"
qemu_suite s390x s390x s390x big

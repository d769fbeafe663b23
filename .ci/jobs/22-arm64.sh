# 64-bit ARM, emulated.
. "$CI_DIR/lib.sh"
. "$CI_DIR/qemu.sh"
qemu_suite arm64 aarch64 aarch64 little

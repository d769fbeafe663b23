# The whole suite on another processor, emulated by qemu-user.
. "$CI_DIR/foreign.sh"

# qemu_suite DEBIAN_NAME GNU_CPU MESON_CPU ENDIAN
qemu_suite()
{
    local processor=$1 triplet=$2-linux-gnu qemu=$3
    need_build_tools
    need "gcc-$triplet" "g++-$triplet" "libc6-dev-$processor-cross" qemu-user
    foreign_sysroot "$processor" "$PWD/sysroot" "${test_packages[@]}" ||
        skip_job "the packages ${test_packages[*]} for $processor cannot be had"
    cross_file "$triplet" "$3" "$4" "$PWD/sysroot" "$triplet-gcc" "$triplet-g++" "" "$triplet-ar" "$triplet-strip" \
        "'qemu-$qemu', '-L', '/usr/$triplet'" >cross.ini
    cat cross.ini
    setup build --cross-file cross.ini "${strict[@]}" -Dbuildtype=debugoptimized
    compile build
    run_tests build --timeout-multiplier 6
}

# The whole suite as a 32-bit program, run by this kernel itself.
. "$CI_DIR/lib.sh"
. "$CI_DIR/foreign.sh"
need_build_tools
need gcc-12-multilib g++-12-multilib
foreign_sysroot i386 "$PWD/sysroot" "${test_packages[@]}" ||
    skip_job "the packages ${test_packages[*]} for i386 cannot be had"
# The kernel's headers are the same for both; gcc-multilib, which has the link, conflicts with the
# cross compilers.
mkdir kernel
ln -s "/usr/include/$(gcc -print-multiarch)/asm" kernel/
cross_file i386-linux-gnu x86 little "$PWD/sysroot" gcc-12 g++-12 "'-m32', '-idirafter', '$PWD/kernel'" ar strip "" \
    >cross.ini
setup build --cross-file cross.ini "${strict[@]}" -Dbuildtype=debugoptimized
compile build
run_tests build

# Chosen tests on the kernels of Debian 12 for amd64 and for arm64, which qemu emulates.
#
# CI_KERNELS='6.1 arm64 rt 6.12 5.10' names others, CI_KERNELS_ALL=1 runs every test there.
. "$CI_DIR/lib.sh"
. "$CI_DIR/foreign.sh"
. "$CI_DIR/kernels/guest.sh"
read -ra guests <<<"${CI_KERNELS:-6.1 arm64}"
chosen=("$CI_DIR/kernels/chosen")
only_amd64=("$CI_DIR/kernels/chosen-amd64")
# How much slower than a processor an emulated one is, beside another job.
factor=8
# One guest, in seconds.
limit=900
if [ -n "${CI_KERNELS_ALL:-}" ]; then
    echo '*' >every # as root; as a user only those that are chosen
    chosen=(every "${chosen[@]}")
    factor=24 limit=7200
fi
need_build_tools
need qemu-system-x86 busybox-static cpio binutils python3
try_install apparmor || skip_part "the package apparmor cannot be installed: no guest has a profile"

# build_tests DIRECTORY CHOSEN…
build_tests()
{
    local dir=$1 targets
    shift
    mapfile -t targets < <(python3 "$CI_DIR/kernels/make_root.py" --build "$dir" --targets "${@/#/--chosen=}")
    [ ${#targets[@]} -gt 0 ] || die "no tests for $dir"
    compile "$dir" "${targets[@]}"
}

build_for_amd64()
{
    [ ! -d build ] || return 0
    setup build "${strict[@]}" -Dguest_tests=true
    build_tests build "${chosen[@]}" "${only_amd64[@]}"
}

tools_for_arm64()
{
    try_install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm &&
        foreign_sysroot arm64 "$PWD/sysroot" "${test_packages[@]}" busybox-static
}

build_for_arm64()
{
    [ ! -d build-arm64 ] || return 0
    cross_file aarch64-linux-gnu aarch64 little "$PWD/sysroot" aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ "" \
        aarch64-linux-gnu-ar aarch64-linux-gnu-strip "" >cross.ini
    setup build-arm64 --cross-file cross.ini "${strict[@]}"
    build_tests build-arm64 "${chosen[@]}"
}

run_guest()
{
    local guest=$1 processor image build=build files=("${chosen[@]}")
    [ -n "${guest_is[$guest]:-}" ] || die "no kernel '$guest'; there are: ${!guest_is[*]}"
    read -r processor _ <<<"${guest_is[$guest]}"
    image=$(kernel "$guest") || {
        skip_part "the kernel $guest: Debian's archive does not have it"
        return 0
    }
    if [ "$processor" = amd64 ]; then
        build_for_amd64
        files+=("${only_amd64[@]}")
    else
        build=build-arm64
        tools_for_arm64 || {
            skip_part "the kernel $guest: what builds for $processor cannot be installed"
            return 0
        }
        build_for_arm64
    fi
    make_guest "$guest" "$build" "$factor" "${files[@]}"
    say "guest $guest: $(wc -l <"$guest.root/list/names") tests, $image"
    boot_guest "$guest" "$image" "$limit"
    read_guest "$guest" || failed+=("$guest")
    rm -rf "$guest.root" "$guest.cpio"
}

failed=()
for guest in "${guests[@]}"; do
    SECONDS=0
    run_guest "$guest"
    say "guest $guest: $SECONDS s with its build"
done
[ ${#failed[@]} -eq 0 ] || die "failed on the kernels ${failed[*]}"

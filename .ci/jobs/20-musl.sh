# The whole suite with musl. Debian has no cmocka for it: it is built here, from Debian's source
# package.
. "$CI_DIR/lib.sh"
. "$CI_DIR/foreign.sh"
need_build_tools
need musl-tools musl-dev xz-utils

cmocka_for_musl()
{
    local defines=() name
    foreign_lists || return 1
    APT_CONFIG=$CI_TMP/foreign/apt.conf apt-get -q source --download-only cmocka || return 1
    tar -xJf cmocka_*.orig.tar.xz || return 1
    for name in INTTYPES_H MALLOC_H SETJMP_H SIGNAL_H STDINT_H STRINGS_H TIME_H UNISTD_H STRUCT_TIMESPEC \
        CLOCK_GETTIME CLOCK_REALTIME STRSIGNAL; do
        defines+=("-DHAVE_$name=1")
    done
    mkdir -p musl/include musl/lib/pkgconfig
    cp cmocka-*/include/*.h musl/include/
    musl-gcc -O1 -g -fPIC -I"$(echo cmocka-*/include)" "${defines[@]}" -c cmocka-*/src/cmocka.c -o cmocka.o || return 1
    ar rcs musl/lib/libcmocka.a cmocka.o
    printf 'Name: cmocka\nDescription: unit tests\nVersion: %s\nLibs: -L%s -lcmocka\nCflags: -I%s\n' \
        "$(echo cmocka-*/ | sed 's/^cmocka-//; s,/$,,')" "$PWD/musl/lib" "$PWD/musl/include" \
        >musl/lib/pkgconfig/cmocka.pc
}

cat >musl.ini <<'FILE'
[binaries]
c = 'musl-gcc'
cpp = '/bin/false'
cmake = '/bin/false'
FILE
tests=()
if ! cmocka_for_musl; then
    skip_part "cmocka's source cannot be had: with musl only the examples are run, not the tests"
    tests=(-Dtests=disabled)
fi
# None of the system's own libraries may be found.
export PKG_CONFIG_LIBDIR=$PWD/musl/lib/pkgconfig
# musl-gcc sees no header of the kernel's; a system built on musl may have them or not.
mkdir kernel
for name in linux asm-generic; do
    ln -s "/usr/include/$name" kernel/
done
ln -s "/usr/include/$(gcc -print-multiarch)/asm" kernel/
sed "s,'musl-gcc',['musl-gcc'\, '-idirafter'\, '$PWD/kernel']," musl.ini >musl-kernel.ini
# As Alpine builds its packages (default.conf of its abuild).
CFLAGS="-Os -fstack-clash-protection -Wformat -Werror=format-security" LDFLAGS="-Wl,--as-needed,-O1,--sort-common" \
    build_and_test alpine-flags --native-file musl-kernel.ini "${strict[@]}" -Dbuildtype=plain "${tests[@]}"
# The library includes none of the kernel's headers, tests do. So all is compiled without them, and
# those tests run.
setup without-kernel-headers --native-file musl.ini "${strict[@]}" -Dbuildtype=release "${tests[@]}"
compile without-kernel-headers
some=(test_server_own_rights test_server_scarce test_server_given_up_rights test_close_list test_confined
    test_refused test_timeout 'test_timeout server' test_fallbacks 'test_fallbacks server' test_host_descriptors)
[ ${#tests[@]} -eq 0 ] || some=() # without tests: the examples
run_tests without-kernel-headers "${some[@]}"

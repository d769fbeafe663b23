# Calls in real hosts: CPython, a JVM, Node, Lua, Go, R and PostgreSQL, by the helper; libraries
# that do not survive a fork and that no other job has; and the event loop that no other job has.
. "$CI_DIR/lib.sh"
need_build_tools
try_host()
{
    try_install "$@" || skip_part "cannot install one of $*: its host is left out"
}
try_host python3 python3-dev
try_host libseccomp-dev
try_host bubblewrap
try_host firejail
try_host lua5.4 liblua5.4-dev
try_host golang-go
try_host r-base-core
try_host postgresql-15 postgresql-server-dev-15
command -v javac >/dev/null || try_host default-jdk-headless
[ -e /usr/include/node/node_api.h ] || try_host nodejs libnode-dev
try_library()
{
    try_install "$@" || skip_part "cannot install one of $*: its test in tests/fork_unsafe_libs/more is not built"
}
try_library libfftw3-dev
try_library libgstreamer1.0-dev
try_library libsdl2-dev
try_library libavcodec-dev
try_library libvips-dev
try_library libpulse-dev
try_library libzmq3-dev
try_library qtbase5-dev
try_library libabsl-dev
try_library libtbb-dev
skip_part "Debian 12 has no libdispatch-dev: only a library that acts like it is tested (tests/fork_unsafe_libs/dispatch)"
uv=yes
try_install libuv1-dev || { uv=; skip_part "cannot install libuv1-dev: examples/loops/libuv.c is not built"; }
CC=gcc setup build "${strict[@]}" -Dreal_hosts=enabled | tee setup.log
while IFS= read -r line; do
    skip_part "$line"
done < <(sed -n 's/^Message: tests\/\(hosts_real\|fork_unsafe_libs\/more\): //p' setup.log)
mapfile -t targets < <(ninja -C build -t targets all | sed -n 's/^\(tests\/hosts_real\/[^:]*\(\.so\|\.class\|_host\)\|forkcall-helper\):.*/\1/p;s/^\(tests\/fork_unsafe_libs\/more\/\(libmore_[^:]*\.so\|fork_unsafe_[^.:\/]*\)\):.*/\1/p')
compile build "${targets[@]}"
run_tests build --suite hosts_real --suite fork_unsafe_more
# What the sandboxes and the promise in Python have said.
while IFS= read -r line; do
    case $line in
    skipped*) skip_part "sandbox: ${line#skipped }" ;;
    *) say "$line" ;;
    esac
done < <(grep -E '^(skipped|ok) (bubblewrap|firejail|systemd-run)|right answers' build/meson-logs/testlog.txt)
if [ -n "$uv" ]; then
    compile build examples/loop_libuv
    run_tests build loop_libuv
fi

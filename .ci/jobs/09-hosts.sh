# Calls in real hosts: CPython, a JVM, Node, Lua, Go, R and PostgreSQL, by the helper; and the event
# loop that no other job has.
. "$CI_DIR/lib.sh"
need_build_tools
try_host()
{
    try_install "$@" || skip_part "cannot install one of $*: its host is left out"
}
try_host python3
try_host lua5.4 liblua5.4-dev
try_host golang-go
try_host r-base-core
try_host postgresql-15 postgresql-server-dev-15
command -v javac >/dev/null || try_host default-jdk-headless
[ -e /usr/include/node/node_api.h ] || try_host nodejs libnode-dev
uv=yes
try_install libuv1-dev || { uv=; skip_part "cannot install libuv1-dev: examples/loops/libuv.c is not built"; }
CC=gcc setup build "${strict[@]}" -Dreal_hosts=enabled | tee setup.log
while IFS= read -r line; do
    skip_part "$line"
done < <(sed -n 's/^Message: tests\/hosts_real: //p' setup.log)
mapfile -t targets < <(ninja -C build -t targets all | sed -n 's/^\(tests\/hosts_real\/[^:]*\(\.so\|\.class\|_host\)\|forkcall-helper\):.*/\1/p')
compile build "${targets[@]}"
run_tests build --suite hosts_real
if [ -n "$uv" ]; then
    compile build examples/loop_libuv
    run_tests build loop_libuv
fi

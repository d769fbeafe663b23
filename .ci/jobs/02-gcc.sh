# gcc with every warning an error, as a release is built; any of Meson's own warnings is an error,
# too. The whole suite runs as a user without privileges, because what root may do hides mistakes.
# The other jobs run it as the user of this script.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
try_install libmsgpack-dev libcbor-dev || skip_part "cannot install libmsgpack-dev and libcbor-dev: examples/msgpack.c and cbor.c are not built"
# A python3 in root's home, which may come first in the path, is not for this user.
export PATH=/usr/lib/ccache:$CI_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin
CC=gcc setup build "${strict[@]}" --fatal-meson-warnings -Dbuildtype=release
compile build
if [ "$(id -u)" = 0 ]; then
    need util-linux
    # A user that has no other processes, so that limits on their number concern these tests alone.
    user=54322 # not the user whose descriptors test_server_scarce counts
    mkdir home
    chown -R "$user:$user" build home
    export HOME=$PWD/home TMPDIR=$PWD/home CCACHE_DIR=$PWD/home/ccache
    as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups --no-new-privs --inh-caps=-all)
    meson()
    {
        "${as_user[@]}" "$(type -P meson)" "$@"
    }
fi
run_tests build

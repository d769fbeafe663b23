# The whole suite as a user without privileges: what root may do hides mistakes.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
# A python3 in root's home, which may come first in the path, is not for this user.
export PATH=/usr/lib/ccache:$CI_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin
CC=gcc setup build "${strict[@]}"
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

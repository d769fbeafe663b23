# Functions for the jobs. A job is a bash script run with -euo pipefail in an empty directory of its
# own.

jobs_at_once=2
# Most tests wait most of the time, so more of them run at once than there are processors.
tests_at_once=4

say()
{
    printf '==> %s\n' "$*"
}

die()
{
    printf 'error: %s\n' "$*"
    exit 1
}

# A part of this job is not run; the reason is printed at the end of the whole run.
skip_part()
{
    printf 'skip: %s\n' "$*"
    printf 'skip %s\n' "$*" >>"$CI_RESULTS/$CI_JOB"
}

# Ends the job as skipped.
skip_job()
{
    skip_part "$*"
    exit 77
}

# Counts a check that is not a Meson test.
count_check()
{
    printf 'tests 1 0 0\n' >>"$CI_RESULTS/$CI_JOB"
    printf 'ok: %s\n' "$*"
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n -E "$@"
    fi
}

update_package_lists_once()
{
    [ -e "$CI_TMP/lists-are-new" ] && return 0
    as_root apt-get -q update || return 1
    : >"$CI_TMP/lists-are-new"
}

installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs packages that are missing. False: they cannot be installed.
try_install()
{
    local package missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || return 1
    say "installing ${missing[*]}"
    # Old lists may name files that the archive no longer has. A third-party list that fails must
    # not stop the job.
    update_package_lists_once || say "the package lists could not be renewed"
    as_root apt-get -q install "${missing[@]}"
}

need()
{
    try_install "$@" || skip_job "cannot install one of: $*"
}

need_build_tools()
{
    need gcc g++ libc6-dev meson ninja-build pkg-config libcmocka-dev libdw-dev systemtap-sdt-dev
    if try_install ccache; then
        PATH=/usr/lib/ccache:$PATH
    fi
}

# The libraries of tests/fork_unsafe_libs, which leaves out what it does not find.
try_fork_unsafe_libraries()
{
    try_install libsystemd-dev libglib2.0-dev gobjc ||
        skip_part "one of libsystemd-dev, libglib2.0-dev and gobjc cannot be installed: its test in tests/fork_unsafe_libs is not built"
}

# setup DIRECTORY [argument of meson setup …]. Real hosts are a job of their own.
setup()
{
    local dir=$1
    shift
    say "meson setup $dir $*"
    meson setup "$dir" "$CI_SRC" -Dreal_hosts=disabled "$@"
}

compile()
{
    say "meson compile $*"
    ninja -C "$1" -j "$jobs_at_once" "${@:2}"
}

# count_tests TESTLOG.JSON: counts the tests, and names those that failed; fails if there is none.
count_tests()
{
    [ -s "$1" ] || die "no test was run"
    python3 "$CI_DIR/testlog.py" "$1" "$CI_RESULTS/$CI_JOB"
}

# run_tests DIRECTORY [argument of meson test …]: fails if a test fails, or if none was run.
run_tests()
{
    local dir=$1 rc=0 log
    shift
    say "meson test $dir $*"
    rm -f "$dir"/meson-logs/testlog*.json
    meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes "$tests_at_once" "$@" || rc=$?
    for log in "$dir"/meson-logs/testlog*.json; do
        count_tests "$log" || rc=1
    done
    return "$rc"
}

# Strict warnings, for every compiler.
strict=(--warnlevel 3 --werror '-Dc_args=-Wshadow -Wconversion')

build_and_test()
{
    local dir=$1
    setup "$@"
    compile "$dir"
    run_tests "$dir"
}

# Debian's packages for other processors, and sources, without a change to this system's own package
# lists.

# Debian's archive and release as this system has them set up: "URI RELEASE".
debian_archive()
{
    apt-get indextargets 'Created-By: Packages' --format '$(LABEL)|$(COMPONENT)|$(REPO_URI) $(CODENAME)' |
        awk -F'|' '$1 == "Debian" && $2 == "main" && $3 !~ /-(updates|backports)$/ { print $3; exit }'
}

# Package lists apart from the system's, for all processors that the jobs need and for sources. The
# first job that needs them makes them.
foreign_lists()
{
    local rc=0
    exec {lists}>>"$CI_TMP/foreign.lock"
    flock "$lists"
    make_foreign_lists || rc=$?
    exec {lists}>&-
    return "$rc"
}

make_foreign_lists()
{
    local root=$CI_TMP/foreign archive uri release
    [ -e "$root/ready" ] && return 0
    command -v apt-get >/dev/null || return 1
    archive=$(debian_archive)
    if [ -z "$archive" ]; then
        update_package_lists_once || return 1
        archive=$(debian_archive)
    fi
    read -r uri release <<<"$archive"
    [ -n "$release" ] || return 1
    mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial"
    printf 'deb %s %s main\ndeb-src %s %s main\n' "$uri" "$release" "$uri" "$release" >"$root/sources.list"
    cat "$APT_CONFIG" - >"$root/apt.conf" <<CONF
Dir::State "$root/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$root/cache";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
APT::Architectures { "$(dpkg --print-architecture)"; "i386"; "arm64"; "s390x"; };
CONF
    APT_CONFIG=$root/apt.conf apt-get -q update || return 1
    : >"$root/ready"
}

# foreign_sysroot PROCESSOR DIRECTORY PACKAGE…: the packages (no dependencies) unpacked into the
# directory.
foreign_sysroot()
{
    local processor=$1 dir=$2 package
    shift 2
    foreign_lists || return 1
    mkdir -p "$dir" packages
    for package in "$@"; do
        (cd packages && APT_CONFIG=$CI_TMP/foreign/apt.conf apt-get -q download "$package:$processor") || return 1
        dpkg-deb -x packages/"$package"_*_"$processor".deb "$dir" || return 1
    done
}

# What the tests and the examples are linked with.
test_packages=(libcmocka-dev libcmocka0 libpng-dev libpng16-16 zlib1g-dev zlib1g)

# cross_file TRIPLET CPU_FAMILY ENDIAN SYSROOT C_COMPILER C++_COMPILER ARGUMENTS AR STRIP
# EXE_WRAPPER ARGUMENTS of both compilers and EXE_WRAPPER are in Meson's notation: 'a', 'b'; each
# may be empty. on the standard output. Libraries are found by RPATH: programs run where they are
# built.
cross_file()
{
    local triplet=$1 family=$2 endian=$3 sysroot=$4 c=$5 cpp=$6 args=$7 ar=$8 strip=$9 exe_wrapper=${10}
    local link="'-L$sysroot/usr/lib/$triplet',
    '-Wl,--disable-new-dtags,-rpath,$sysroot/usr/lib/$triplet,-rpath,$sysroot/lib/$triplet'"
    args="${args:+$args, }'-isystem', '$sysroot/usr/include'"
    cat <<FILE
[binaries]
c = ['$c', $args]
cpp = ['$cpp', $args]
ar = '$ar'
strip = '$strip'
pkgconfig = 'pkg-config'
cmake = '/bin/false'
${exe_wrapper:+exe_wrapper = [$exe_wrapper]}

[properties]
sys_root = '$sysroot'
pkg_config_libdir = '$sysroot/usr/lib/$triplet/pkgconfig'
needs_exe_wrapper = $([ -n "$exe_wrapper" ] && echo true || echo false)

[built-in options]
c_link_args = [$link]
cpp_link_args = [$link]

[host_machine]
system = 'linux'
cpu_family = '$family'
cpu = '$family'
endian = '$endian'
FILE
}

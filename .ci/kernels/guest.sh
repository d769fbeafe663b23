# Functions of the job kernels: Debian's kernels, and guests of qemu that boot them.
#
# Everything is emulated (TCG): /dev/kvm may be there and boot no stock kernel.

# By name of a guest: processor, the package that stands for the newest kernel of its kind, the
# release that has it, CPU. 6.12 needs a CPU without cmpxchg16b: with it the emulated boot stops.
declare -A guest_is=(
    [6.1]='amd64 linux-image-amd64 bookworm max'
    [arm64]='arm64 linux-image-arm64 bookworm max'
    [rt]='amd64 linux-image-rt-amd64 bookworm max'
    [6.12]='amd64 linux-image-6.12-amd64 bookworm max,cx16=off'
    [5.10]='amd64 linux-image-amd64 bullseye max'
)

# kernel_lists RELEASE: package lists, apart from the system's: with security updates, where newer
# kernels are. The release may be older than this system's.
kernel_lists()
{
    local release=$1 root=$PWD/kernels/$1 uri
    [ ! -e "$root/ready" ] || return 0
    read -r uri _ < <(debian_archive) || true
    if [ -z "${uri:-}" ]; then
        update_package_lists_once || return 1
        read -r uri _ < <(debian_archive) || return 1
    fi
    mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial" "$root/lists.d"
    printf 'deb %s %s main\n' "$uri" "$release" >"$root/lists.d/release.list"
    printf 'deb %s %s-security main\n' "${uri%/debian*}/debian-security" "$release" >"$root/lists.d/security.list"
    cat "$APT_CONFIG" - >"$root/apt.conf" <<CONF
Dir::State "$root/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$root/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$root/lists.d";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
APT::Architectures { "amd64"; "arm64"; };
CONF
    # One list that cannot be had must not stop the job: the other may have the kernel.
    APT_CONFIG=$root/apt.conf apt-get -q update || say "not all package lists of $release could be had"
    : >"$root/ready"
}

# kernel GUEST: unpacks its kernel, and prints the path of the image. False: it cannot be had.
kernel()
{
    local processor package release conf dir=$PWD/kernels/$1 real
    read -r processor package release _ <<<"${guest_is[$1]}"
    kernel_lists "$release" >&2 || return 1
    conf=$PWD/kernels/$release/apt.conf
    real=$(APT_CONFIG=$conf apt-cache show --no-all-versions "$package:$processor" 2>/dev/null |
        sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
    [ -n "$real" ] || return 1
    mkdir -p "$dir"
    (cd "$dir" && APT_CONFIG=$conf apt-get -q download "$real:$processor") >&2 || return 1
    dpkg-deb --fsys-tarfile "$dir"/linux-image-*.deb | tar -C "$dir" -xf - ./boot || return 1
    rm -f "$dir"/linux-image-*.deb
    ls "$dir"/boot/vmlinuz-* # one
}

# make_guest GUEST BUILD FACTOR CHOSEN…: GUEST.root and GUEST.cpio, with the tests that the files
# name.
make_guest()
{
    local guest=$1 build=$2 factor=$3 processor triplet chosen arguments=()
    shift 3
    read -r processor _ <<<"${guest_is[$guest]}"
    mkdir -p "$guest.root/bin" "$guest.root/etc" "$guest.root/list"
    if [ "$processor" = amd64 ]; then
        triplet=x86_64-linux-gnu
        arguments=(--libraries /lib/$triplet --libraries /usr/lib/$triplet)
        [ ! -e /sbin/apparmor_parser ] || arguments+=(--file /sbin/apparmor_parser)
        cp /bin/busybox "$guest.root/bin/busybox"
        echo /dev/ttyS1 >"$guest.root/list/port"
    else
        triplet=aarch64-linux-gnu
        arguments=(--libraries /usr/$triplet/lib --libraries "$PWD/sysroot/usr/lib/$triplet"
            --libraries "$PWD/sysroot/lib/$triplet")
        cp sysroot/bin/busybox "$guest.root/bin/busybox"
        echo /dev/ttyS0 >"$guest.root/list/port" # its console is ttyAMA0
    fi
    for chosen in "$@"; do
        arguments+=(--chosen "$chosen")
    done
    python3 "$CI_DIR/kernels/make_root.py" --build "$build" --root "$guest.root" --triplet $triplet \
        --factor "$factor" "${arguments[@]}"
    install -m 755 "$CI_DIR/kernels/init" "$CI_DIR/kernels/run-tests" "$guest.root/"
    (cd "$guest.root" && find . | cpio -o -H newc --quiet -R 0:0) >"$guest.cpio"
}

# boot_once GUEST KERNEL LIMIT_S FIRST_S: its console and its results are GUEST.console and
# GUEST.results. Status 3: no test has told a result within FIRST_S, or ever.
boot_once()
{
    local guest=$1 kernel=$2 limit=$3 first=$4 processor cpu emulator start=$SECONDS machine=()
    read -r processor _ _ cpu <<<"${guest_is[$guest]}"
    # A timer that the emulator delivers late must not stop the boot.
    if [ "$processor" = amd64 ]; then
        machine=(qemu-system-x86_64 -machine q35,accel=tcg -serial "file:$guest.console" -serial "file:$guest.results"
            -append 'console=ttyS0 no_timer_check panic=-1 loglevel=5')
    else
        machine=(qemu-system-aarch64 -machine virt,accel=tcg -serial "file:$guest.console"
            -chardev "file,id=results,path=$guest.results" -device pci-serial,chardev=results
            -append 'console=ttyAMA0 panic=-1 loglevel=5')
    fi
    : >"$guest.console"
    : >"$guest.results"
    timeout --kill-after=10 "$limit" "${machine[@]}" -cpu "$cpu" -m 3G -smp 2 -nographic -nodefaults -no-reboot \
        -monitor none -kernel "$kernel" -initrd "$guest.cpio" </dev/null &
    emulator=$!
    while kill -0 "$emulator" 2>/dev/null; do
        if [ $((SECONDS - start)) -ge "$first" ] && ! grep -q '^@begin' "$guest.results"; then
            kill "$emulator"
        fi
        sleep 1
    done
    wait "$emulator" || echo "qemu: exit status $?"
    grep -q '^@begin' "$guest.results" || return 3
}

# boot_guest GUEST KERNEL LIMIT_S: boots it, and boots it anew where it has told nothing: now and
# then an emulated machine stops before its first program, and none of the project's code has run.
boot_guest()
{
    local guest=$1 boot
    for boot in 1 2 3; do
        ! boot_once "$@" 300 || return 0
        echo "boot $boot of the guest $guest: no test has told a result; the end of its console:"
        tail -n 15 "$guest.console"
    done
}

# read_guest GUEST: prints and counts its results; fails if a test has failed, or has told nothing.
read_guest()
{
    local guest=$1 rc=0
    grep -E '^the guest runs' "$guest.console" || true
    python3 "$CI_DIR/kernels/read_console.py" "$guest.root/list/names" "$guest.root/list/skipped" "$guest.results" \
        "$guest.console" "$guest.json" "$guest" || rc=1
    python3 "$CI_DIR/testlog.py" "$guest.json" "$CI_RESULTS/$CI_JOB" || rc=1
    [ "$rc" = 0 ] || { echo "---- the end of its console" && tail -n 30 "$guest.console"; }
    return "$rc"
}

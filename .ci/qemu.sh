# The whole suite on another processor, emulated by qemu-user.
. "$CI_DIR/foreign.sh"

# Tests that depend on behaviour of the kernel that the emulator changes. Each was tried.
declare -A beyond_qemu=(
    [test_buf]='does not limit address space'
    [test_cancel]='has threads of its own once the program had one'
    [test_capture]='has its own messages on stderr at a crash'
    [test_crash]='does not pass MADV_DONTFORK on'
    [test_details]='has its own messages on stderr at a crash'
    [test_early_module]='starts itself where a copy of the program is started'
    [test_escape]='may lay other stacks above that of the first thread'
    [test_fault]='takes minutes for it'
    [test_host_death]='has threads of its own once the program had one'
    [test_host_state]='does not limit address space'
    [test_hostile_items]='does not pass MADV_DONTFORK on'
    [test_hostile_region]='runs into its limits of time and memory'
    [test_limits]='does not limit address space'
    [test_crash_frames]='starts itself where a copy of the program is started'
    [test_plugin]='has threads of its own once the program had one'
    [test_result]='takes minutes for it'
    [test_signals]='does not write core files as the kernel does'
    [test_threads]='has threads of its own once the program had one'
)

# qemu_suite DEBIAN_NAME GNU_CPU MESON_CPU ENDIAN
qemu_suite()
{
    local processor=$1 triplet=$2-linux-gnu qemu=$3
    need_build_tools
    need "gcc-$triplet" "g++-$triplet" "libc6-dev-$processor-cross" qemu-user
    foreign_sysroot "$processor" "$PWD/sysroot" "${test_packages[@]}" ||
        skip_job "the packages ${test_packages[*]} for $processor cannot be had"
    cross_file "$triplet" "$3" "$4" "$PWD/sysroot" "$triplet-gcc" "$triplet-g++" "" "$triplet-ar" "$triplet-strip" \
        "'qemu-$qemu', '-L', '/usr/$triplet'" >cross.ini
    cat cross.ini
    export FORKCALL_TEST_EMULATOR=qemu-$qemu # the tests know what cannot be had there
    # A process that takes half a millisecond elsewhere takes 10 here, and another job runs beside.
    export FORKCALL_TEST_TIME_FACTOR=4
    setup build --cross-file cross.ini "${strict[@]}" -Dbuildtype=debugoptimized
    compile build
    local name reason names=() list
    list=$(meson introspect --tests build | python3 -c 'import json, sys; print(*sorted(t["name"] for t in json.load(sys.stdin)), sep="\n")')
    while IFS= read -r name; do
        reason=${beyond_qemu[$name]:-}
        case $name in
        *' server' | *' spawn' | *' reuse' | test_server_* | test_map* | test_reuse* | hello | map | server | openmp | frames | \
            snippets | flexible | descriptor | cplusplus | msgpack | cbor | \
            ten_thousand | test_auto | test_reexec_attacks | test_helper | test_init | test_not_ready | test_rebuilt | test_spawn)
            reason='starts itself where a copy of the program is started'
            ;;
        esac
        if [ -n "$reason" ]; then
            skip_part "$name: qemu-user $reason"
        else
            names+=("$name")
        fi
    done <<<"$list"
    run_tests build --timeout-multiplier 6 "${names[@]}"
}

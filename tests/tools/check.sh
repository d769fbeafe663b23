#!/bin/sh
# check.sh COMPILER TOOL: builds watched.c for the tool as a user does, and checks what a caller is
# told by each method. SOURCE, INCLUDE and LIBRARY: where watched.c, forkcall.h and the library lie.
# Exit status 77: the tool is not to be had here.
set -u
compiler=$1
tool=$2
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
failed=0
checked=0

skip()
{
    echo "skip: $*"
    exit 77
}

# build NAME [argument …]: with the shared library; NAME-static: with the archive.
build()
{
    name=$1
    shift
    library="-L $LIBRARY -lforkcall -Wl,-rpath,$LIBRARY"
    case $name in *-static) library="$LIBRARY/libforkcall.a -pthread" ;; esac
    # $library and $compiler are words.
    # shellcheck disable=SC2086
    (cd "$here" && $compiler -g -O1 -I "$INCLUDE" "$@" "$SOURCE/watched.c" -o "$name" $library) >"$here/log" 2>&1 || {
        cat "$here/log"
        skip "$compiler cannot build a program with $*"
    }
}

# told PATTERN … -- COMMAND …: each pattern stands in a line of what the command writes.
told()
{
    patterns=$here/patterns
    : >"$patterns"
    while [ "$1" != -- ]; do
        echo "$1" >>"$patterns"
        shift
    done
    shift
    timeout 120 "$@" >"$here/said" 2>&1
    checked=$((checked + 1))
    if grep -q 'LeakSanitizer has encountered a fatal error' "$here/said"; then
        skip "LeakSanitizer cannot look into processes here"
    fi
    while read -r pattern; do
        grep -Eq -- "$pattern" "$here/said" && continue
        printf 'not told: %s\nby: %s\n' "$pattern" "$*"
        cat "$here/said"
        failed=1
    done <"$patterns"
}

needs()
{
    command -v "$1" >/dev/null 2>&1 || skip "there is no $1"
}

randomised=
setarch -R true 2>/dev/null && randomised='setarch -R'

address()
{
    build watched -fsanitize=address
    unset ASAN_OPTIONS LSAN_OPTIONS
    "$here/watched" fork fine >"$here/said" 2>&1 || {
        cat "$here/said"
        skip "AddressSanitizer does not run here"
    }
    for method in fork server spawn; do
        told '^OK code 0 tool 0 wait 0: watched returned its result$' -- "$here/watched" $method fine
        told '^OK code 0 tool 1 wait 0x1700: .*exit status 23 .*LeakSanitizer' 'SUMMARY: AddressSanitizer: [0-9]+ byte' \
            -- "$here/watched" $method leak
        told '^EXITED code 1 tool 1 wait 0x100: .*perhaps AddressSanitizer has found' \
            'SUMMARY: AddressSanitizer: heap-use-after-free' -- "$here/watched" $method use
        told '^EXITED code 1 tool 1 wait 0x100: .*perhaps AddressSanitizer has found' \
            'AddressSanitizer: SEGV .*in null' -- "$here/watched" $method null
        told '^EXITED code 1 tool 1' 'AddressSanitizer: stack-overflow .*in recurse' -- "$here/watched" $method recurse
    done
    told '^OK code 0 tool 0 ' -- "$here/watched" server fine reuse
    told '^OK code 0 tool 1 wait 0x1700: ' -- "$here/watched" server leak reuse
    told '^OK code 0 tool 1 .*LeakSanitizer' -- "$here/watched" server leak map
    told '^EXITED code 1 tool 1 .*AddressSanitizer' 'heap-use-after-free' -- "$here/watched" fork use capture
    # Without a handler of the sanitizer's the library's own tells the crash.
    told '^SIGNALED code 11 tool 0 wait 0x[0-9]*b: watched was killed by SIGSEGV' \
        -- env ASAN_OPTIONS=handle_segv=0 "$here/watched" server null
    build watched-static -fsanitize=address
    told '^OK code 0 tool 1 wait 0x1700: ' -- "$here/watched-static" fork leak
    told '^EXITED code 1 tool 1' 'AddressSanitizer: SEGV' -- "$here/watched-static" server null
}

thread()
{
    build watched -fsanitize=thread
    unset TSAN_OPTIONS
    $randomised "$here/watched" fork fine >"$here/said" 2>&1 || {
        cat "$here/said"
        skip "ThreadSanitizer does not run here"
    }
    for method in fork server spawn; do
        told '^OK code 0 tool 0 wait 0: ' -- $randomised "$here/watched" $method fine
        told '^OK code 0 tool 1 wait 0x4200: .*exit status 66 .*ThreadSanitizer' 'ThreadSanitizer: data race' \
            -- $randomised "$here/watched" $method race
    done
    told '^OK code 0 tool 1 wait 0x4200: ' -- $randomised "$here/watched" server race reuse
    told '^OK code 0 tool 1 .*ThreadSanitizer' -- $randomised "$here/watched" server race map
    told '^EXITED code 66 tool 1' 'ThreadSanitizer: SEGV' -- $randomised "$here/watched" server null
}

undefined()
{
    build watched -fsanitize=undefined
    build fatal -fsanitize=undefined -fno-sanitize-recover=undefined
    unset UBSAN_OPTIONS
    for method in fork server spawn; do
        told '^OK code 0 tool 0 ' -- "$here/fatal" $method fine
        told '^EXITED code 1 tool 1 .*perhaps UndefinedBehaviorSanitizer' 'runtime error: signed integer overflow' \
            -- "$here/fatal" $method overflow
        # It goes on after an error, and tells it only on standard error.
        told '^OK code 0 tool 1 .*runtime error: signed integer overflow' -- "$here/watched" $method overflow capture
        told '^OK code 0 tool 0 ' -- "$here/watched" $method fine capture
    done
}

memory()
{
    build watched -fsanitize=memory
    unset MSAN_OPTIONS
    told '^OK code 0 tool 0 ' -- "$here/watched" fork fine
    told '^EXITED code 1 tool 1 .*perhaps MemorySanitizer' 'use-of-uninitialized-value' -- "$here/watched" fork nothing
    told '^EXITED code 1 tool 1 .*perhaps MemorySanitizer' 'MemorySanitizer: SEGV' -- "$here/watched" fork null
    echo "skip: SERVER and SPAWN: MemorySanitizer wants all that posix_spawn is given to be made by code that it knows"
}

leak()
{
    build watched -fsanitize=leak
    unset LSAN_OPTIONS
    "$here/watched" fork fine >"$here/said" 2>&1 || {
        cat "$here/said"
        skip "LeakSanitizer does not run here"
    }
    for method in fork server spawn; do
        told '^OK code 0 tool 0 wait 0: ' -- "$here/watched" $method fine
        told '^OK code 0 tool 1 wait 0x1700: .*LeakSanitizer' -- "$here/watched" $method leak
    done
}

valgrind_tool()
{
    needs valgrind
    build watched -O0
    watch='valgrind -q --trace-children=yes'
    $watch "$here/watched" fork fine >"$here/said" 2>&1 || {
        cat "$here/said"
        skip "valgrind does not run such programs here"
    }
    # Each process takes a second to start, and a call by SERVER has four.
    told '^OK code 0 tool 0 wait 0: ' -- $watch --error-exitcode=9 "$here/watched" fork fine
    for method in fork spawn; do
        told '^OK code 0 tool 1 wait 0: .*but: valgrind has found an error' 'Invalid read' \
            -- $watch "$here/watched" $method use
    done
    told '^OK code 0 tool 1 wait 0x900: .*exit status 9 ' '[0-9,]+ bytes .* definitely lost' \
        -- $watch --leak-check=full --error-exitcode=9 "$here/watched" server leak
    told '^OK code 0 tool 1 ' -- $watch --error-exitcode=9 "$here/watched" fork nothing map
}

coverage()
{
    case $compiler in *clang*) reader=llvm-cov ;; *) reader=gcov ;; esac
    needs $reader
    [ $reader = gcov ] || reader="llvm-cov gcov"
    for name in watched watched-static; do
        build $name --coverage
        for method in fork server spawn; do
            rm -f "$here"/*.gcda "$here"/*.gcov
            told '^OK code 0 tool 0 wait 0: ' -- "$here/$name" $method fine reuse
            (cd "$here" && $reader ./*.gcda) >"$here/log" 2>&1
            checked=$((checked + 1))
            line=$(grep -F 'return getppid() == 0;' "$here"/watched.c.gcov)
            case ${line%%:*} in
            *[1-9]*) ;;
            *)
                echo "not counted: by $method in $name: $line"
                failed=1
                ;;
            esac
        done
    done
}

profile()
{
    case $compiler in *clang*) ;; *) skip "$compiler has no such counters" ;; esac
    needs llvm-profdata
    needs llvm-cov
    build watched -fprofile-instr-generate -fcoverage-mapping
    for method in fork server spawn; do
        rm -f "$here"/*.profraw
        told '^OK code 0 tool 0 wait 0: ' -- env "LLVM_PROFILE_FILE=$here/%m.profraw" "$here/watched" $method fine
        llvm-profdata merge "$here"/*.profraw -o "$here/all.profdata"
        llvm-cov show "$here/watched" -instr-profile="$here/all.profdata" >"$here/log" 2>&1
        checked=$((checked + 1))
        grep -F 'return getppid() == 0;' "$here/log" | grep -Eq '\| +[1-9]' || {
            echo "not counted: by $method: $(grep -F 'return getppid() == 0;' "$here/log")"
            failed=1
        }
    done
}

case $tool in valgrind) valgrind_tool ;; *) $tool ;; esac
echo "$checked runs checked"
exit $failed

# ThreadSanitizer over the tests that use threads. gcc's: clang 14's gives up on the C library's
# clone().
. "$CI_DIR/lib.sh"
need_build_tools
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0
TSAN_OPTIONS+=:handle_sigill=0:handle_abort=0:allocator_may_return_null=1
CC=gcc setup build "${strict[@]}" -Db_sanitize=thread -Db_lundef=false
compile build
# gcc 12's ThreadSanitizer cannot place its memory where the kernel randomises addresses by more
# than 28 bits.
run_tests build --suite threads --timeout-multiplier 5 --wrapper 'setarch -R'

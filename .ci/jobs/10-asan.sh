# AddressSanitizer and UndefinedBehaviorSanitizer, leaks included, over the whole suite: with gcc,
# then with clang, whose checks differ.
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
# handle_*=0: a crash that is the test's subject stays the signal that it is.
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
ASAN_OPTIONS+=:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1
sanitize=("-Db_sanitize=address,undefined" -Db_lundef=false)
CC=gcc build_and_test gcc "${strict[@]}" "${sanitize[@]}"
if try_install clang libclang-rt-14-dev llvm-14; then
    CC=clang build_and_test clang "${strict[@]}" "${sanitize[@]}"
else
    skip_part "clang's sanitizers cannot be installed"
fi

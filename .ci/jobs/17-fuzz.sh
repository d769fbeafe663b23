# A minute of libFuzzer on the decoder of the reply's frames, from the kept corpus. An input that
# breaks it is printed.
. "$CI_DIR/lib.sh"
need_build_tools
need clang libclang-rt-14-dev llvm-14
export ASAN_OPTIONS=abort_on_error=1
CC=clang setup build -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
compile build
fuzzer=$(find build -name fuzz_frame -type f)
[ -n "$fuzzer" ] || die "fuzz_frame was not built"
corpus=$CI_SRC/tests/fuzz/corpus/frame
[ -n "$(ls "$corpus")" ] || die "the corpus is empty"
mkdir new
# Each kept input must pass on its own.
"$fuzzer" -runs=0 "$corpus"
count_check "$(find "$corpus" -type f | wc -l) kept inputs"
if ! "$fuzzer" -max_total_time=60 -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$PWD/" new "$corpus" 2>fuzz.log; then
    tail -n 60 fuzz.log
    for input in crash-* leak-* timeout-* oom-*; do
        [ ! -f "$input" ] || { echo "$input, base64:" && base64 "$input"; }
    done
    exit 1
fi
grep '^stat::' fuzz.log
count_check "a minute of fuzzing"

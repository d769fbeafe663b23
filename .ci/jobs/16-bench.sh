# The benchmark runs through, with few repetitions, and says something; its figures are not judged
# here.
. "$CI_DIR/lib.sh"
need_build_tools
CC=gcc setup build "${strict[@]}" -Dbuildtype=release -Dbench=true
compile build
bench=$(find build -name forkcall-bench -type f)
[ -n "$bench" ] || die "forkcall-bench was not built"
"$bench" --quick | tee bench.txt
[ "$(wc -l <bench.txt)" -ge 5 ] || die "the benchmark printed no table"
count_check "the benchmark"

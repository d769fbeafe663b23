# The benchmark runs through, with few repetitions, and says something; its figures are not judged
# here.
. "$CI_DIR/lib.sh"
need_build_tools
CC=gcc setup build "${strict[@]}" -Dbuildtype=release -Dbench=true
compile build
bench=$(find build -name forkcall-bench -type f)
[ -n "$bench" ] || die "forkcall-bench was not built"
plot=()
if try_install gnuplot-nox; then plot=(--plot pictures); else skip_part "gnuplot cannot be installed: no pictures"; fi
"$bench" --quick "${plot[@]}" | tee bench.txt
[ ${#plot[@]} -eq 0 ] || [ "$(find pictures -name '*.svg' -size +4k | wc -l)" -eq 3 ] || die "not three pictures"
[ "$(wc -l <bench.txt)" -ge 5 ] || die "the benchmark printed no table"
count_check "the benchmark"

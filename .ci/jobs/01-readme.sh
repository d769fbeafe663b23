# The README's own two commands, word for word, each in a fresh copy of the tree; its example, its
# snippets and the output that it shows; and every link between the pages.
. "$CI_DIR/lib.sh"
. "$CI_DIR/readme.sh"

run_block()
{
    readme_block "$1" >"$1.sh"
    say "$1"
    cat "$1.sh"
    cp -R "$CI_SRC" "$1"
    # As somebody would who pastes it into a shell: the first command that fails ends it here.
    (cd "$1" && bash -euo pipefail "../$1.sh")
}

lines=$(wc -l <"$CI_SRC/README.md")
[ "$lines" -le 130 ] || die "README.md has $lines lines; what is more than 130 belongs in docs/"
readme_block 'example: examples/hello.c' | diff - "$CI_SRC/examples/hello.c" ||
    die "README.md's example is not examples/hello.c"
count_check "the README is short, and its example is examples/hello.c"
need python3
readme_block 'snippets: examples/snippets.c' >snippets.txt
python3 "$CI_DIR/snippets.py" "$CI_SRC/examples/snippets.c" <snippets.txt ||
    die "README.md shows what is not in examples/snippets.c"
count_check "the README's snippets stand in an example that runs"

rc=0
run_block test-command || rc=$?
count_tests "$(find test-command -name testlog.json | head -n 1)"
[ "$rc" = 0 ] || die "the README's test command failed"

run_block example-command | tee example.log
! sed -n '/^The Meson build system/,$p' example.log | grep -i warning || die "the README's example command causes warnings"
[ ! -e example-command/build/tests/call ] || die "the README's example command builds the tests"
readme_block example-output >shown.txt
tail -n "$(wc -l <shown.txt)" example.log | diff - shown.txt ||
    die "README.md shows another output (>) than its command prints (<)"
count_check "the README's example command prints what the README shows"

python3 "$CI_DIR/links.py" "$CI_SRC" || die "these links lead nowhere"
count_check "the links between the pages"

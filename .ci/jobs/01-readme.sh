# The README's own two commands, word for word, each in a fresh copy of the tree.
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

run_block test-command
log=$(find test-command -name testlog.json | head -n 1)
[ -n "$log" ] || die "the README's test command ran no test"
python3 "$CI_DIR/testlog.py" "$log" "$CI_RESULTS/$CI_JOB"

run_block example-command
count_check "the README's example command"

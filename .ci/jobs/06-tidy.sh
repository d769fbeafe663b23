# clang-tidy, with the tree's .clang-tidy, over every file that is compiled on this platform.
. "$CI_DIR/lib.sh"
need_build_tools
need clang clang-tidy-14
# Built with clang, so that the command lines hold no option that clang-tidy does not know.
CC=clang setup build -Dbench=true
compile build # for files that are made by the build
python3 - build/compile_commands.json "$CI_SRC" >files <<'CODE'
import json, os, sys
commands, source = sys.argv[1], os.path.realpath(sys.argv[2])
with open(commands, encoding="utf-8") as file:
    files = {os.path.realpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(file)}
for name in sorted(files):
    if name.startswith(source + os.sep):
        sys.stdout.write(name + "\0")
CODE
[ -s files ] || die "nothing to check"
count=$(tr -dc '\0' <files | wc -c)
say "clang-tidy on $count files"
rc=0
xargs -0 -n 2 -P "$jobs_at_once" clang-tidy-14 -p build --quiet \
    --header-filter="${CI_SRC##*/}/(include|src|tests|examples)/" <files >tidy.log 2>&1 || rc=$?
if [ "$rc" != 0 ]; then
    # A defect in a header is reported once for each file that includes it.
    sed "s,^/[^:]*/${CI_SRC##*/}/,," tidy.log | awk '/^[^ ]*: (error|warning): / { show = !seen[$0]++ }
        /^[0-9]+ warnings? generated/ { next }
        show'
    exit 1
fi
count_check "clang-tidy on $count files"

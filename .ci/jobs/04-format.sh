# Every C and C++ file is as clang-format lays it out, the public header is narrow, and the folders
# of src are layers. Version 14: others differ in details.
. "$CI_DIR/lib.sh"
need clang-format-14
cd "$CI_SRC" || exit
mapfile -d '' files < <(find include src tests examples -name '*.[ch]' -print0 -o -name '*.cc' -print0)
[ ${#files[@]} -gt 0 ] || die "no files"
clang-format-14 --dry-run --Werror "${files[@]}"
count_check "${#files[@]} files are formatted"

need python3
python3 "$CI_DIR/layers.py" src || die "the folders of src are not layers"
count_check "no file of src includes what lies above it"
python3 "$CI_DIR/writers.py" src || die "a member of struct forkcall_call is assigned by a file that its group does not name"
count_check "each member of a call has its writers"

# clang-format leaves comments as they are (ReflowComments), so columns are counted here: of
# characters, not of bytes.
if LC_ALL=C.UTF-8 grep -nHE '^.{101,}' include/forkcall.h; then
    die "these lines of the public header are wider than 100 columns"
fi
count_check "include/forkcall.h is within 100 columns"

# A comment for a tool must stand in the line that it concerns, and may be wider.
wide()
{
    LC_ALL=C.UTF-8 grep -nHE '^.{101,}' "${files[@]}" | grep -E '/\*|\*/|:[0-9]+: +\* |[;{)] //' | grep -vE 'NOLINT|/proc/'
    LC_ALL=C.UTF-8 grep -nHE '^ *#.{100,}' "${others[@]}"
    true # no such line is no failure, which pipefail would pass on
}
mapfile -d '' others < <(find .ci tests -type f -not -name "*.[ch]" -not -name "*.cc" -print0; find . -name 'meson*' -type f -print0)
if wide | grep .; then
    die "these lines with a comment are wider than 100 columns"
fi
count_check "comments are within 100 columns"

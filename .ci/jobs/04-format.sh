# Every C and C++ file is as clang-format lays it out. Version 14: others differ in details.
. "$CI_DIR/lib.sh"
need clang-format-14
cd "$CI_SRC" || exit
mapfile -d '' files < <(find include src tests examples -name '*.[ch]' -print0 -o -name '*.cc' -print0)
[ ${#files[@]} -gt 0 ] || die "no files"
clang-format-14 --dry-run --Werror "${files[@]}"
count_check "${#files[@]} files are formatted"

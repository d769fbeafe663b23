# The public header by itself, as C and as C++, in every standard that it may meet, and the
# decorator used in C++.
. "$CI_DIR/lib.sh"
need gcc g++ libc6-dev

printf '#include <forkcall.h>\n' >alone.c
# Twice, after and before other headers, and each public macro expanded.
cat >uses.cc <<'CODE'
#include <forkcall.h>
#include <vector>
#include <forkcall.h>

struct numbers {
    int a, b;
};
static int add(const numbers *args, int *result)
{
    *result = args->a + args->b;
    return 0;
}
FORKCALL_WRAP(add_in_child, add, numbers, int);
FORKCALL_WRAP_WITH(add_with_options, add, numbers, int);

int main()
{
    numbers args = {1, 2};
    int sum = 0;
    forkcall_buf buf = FORKCALL_BUF_INIT;
    forkcall_options options = forkcall_options();
    options.timeout_ms = 1000;
    forkcall_report report = forkcall_run(add_in_child_forkcall_child, &args, sizeof args, &buf, &options);
    forkcall_buf_free(&buf);
    return report.status == FORKCALL_OK && add_in_child(&args, &sum).status == FORKCALL_OK &&
                   add_with_options(&args, &sum, &options).status == FORKCALL_OK
               ? 0
               : 1;
}
CODE
# As some C++ programs include every header of C.
printf 'extern "C" {\n#include <forkcall.h>\n}\n' >as_c_header.cc
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I "$CI_SRC/include")

as_c()
{
    local cc=$1 std
    shift
    for std in "$@"; do
        "$cc" "-std=$std" "${warnings[@]}" -Wstrict-prototypes -fsyntax-only alone.c
        count_check "the header with $cc -std=$std"
    done
}
as_cxx()
{
    local cxx=$1 std
    shift
    for std in "$@"; do
        "$cxx" "-std=$std" "${warnings[@]}" -fsyntax-only uses.cc
        "$cxx" "-std=$std" "${warnings[@]}" -fsyntax-only as_c_header.cc
        count_check "the header with $cxx -std=$std"
    done
}
as_c gcc c11 gnu11 c17 c2x
as_cxx g++ c++11 gnu++11 c++14 c++17 c++20 c++23
if try_install clang libstdc++-12-dev; then
    as_c clang c11 gnu11 c17 c2x
    as_cxx clang++ c++11 gnu++11 c++14 c++17 c++20 c++2b
else
    skip_part "clang cannot be installed: the header is not tried with clang and clang++"
fi

# Every function, parameter, field and enumerator has a comment that names what there is.
if try_install doxygen; then
    cat >doxygen.conf <<CONF
QUIET = YES
WARN_AS_ERROR = YES
WARN_NO_PARAMDOC = YES
INPUT = "$CI_SRC/include/forkcall.h"
OPTIMIZE_OUTPUT_FOR_C = YES
HAVE_DOT = NO
GENERATE_LATEX = NO
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = FORKCALL_PUBLIC= FORKCALL_NORETURN= FORKCALL_UNUSED= "FORKCALL_PRINTF(a,b)="
CONF
    doxygen doxygen.conf || die "doxygen finds something in the header without a comment, or a comment without it"
    count_check "the header's comments with doxygen"
else
    skip_part "doxygen cannot be installed: the header's comments are not looked at"
fi

# The manual pages.
need python3
python3 "$CI_DIR/manual.py" check || die "the manual pages and the header do not agree"
count_check "manual pages, their links and the header agree"
python3 "$CI_DIR/manual.py" code manual
for file in manual/*.c; do
    gcc -std=c11 -D_GNU_SOURCE "${warnings[@]}" -Wno-unused-variable -fsyntax-only "$file" ||
        die "the code of a manual page cannot be compiled: $file"
    count_check "$file compiles"
done
if try_install mandoc; then
    # References to pages of the system are found only where these are installed.
    mandoc -T lint -W warning "$CI_SRC"/docs/man/*.[1-9] || die "mandoc finds faults in the manual pages"
    count_check "the manual pages with mandoc -T lint"
else
    skip_part "mandoc cannot be installed: the manual pages are not looked at by it"
fi

# The version, wherever it stands.
version=$(awk '/define FORKCALL_VERSION_/ { v = v s $3; s = "." } END { print v }' "$CI_SRC/include/forkcall.h")
has_version()
{
    local found
    found=$(sed -nE "s/$2/\\1/p" "$CI_SRC/$1" | head -n 1)
    [ "$found" = "${3:-$version}" ] || die "$1 has the version '$found', and the header ${3:-$version}"
}
has_version meson.build "^ *version: '([0-9.]+)',"
has_version CHANGELOG.md '^## \[([0-9.]+)\].*'
has_version docs/install.md '^find_package\(forkcall ([0-9.]+) .*' "${version%.*}"
for page in "$CI_SRC"/docs/man/*.[1-9]; do
    has_version "${page#"$CI_SRC"/}" '^\.Os "libforkcall ([0-9.]+)"$'
done
has_version packaging/debian/changelog '^libforkcall \(([0-9.]+)-.*'
has_version packaging/homebrew/forkcall.rb '.*\/forkcall-([0-9.]+)\.tar\.xz"'
has_version packaging/vcpkg/forkcall/vcpkg.json '.*"version": "([0-9.]+)".*'
has_version packaging/conan/conanfile.py ' *version = "([0-9.]+)"'
count_check "$version is the version everywhere"

# The recipes that nothing runs here are at least of their languages.
python3 -m json.tool "$CI_SRC/packaging/vcpkg/forkcall/vcpkg.json" >/dev/null
python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$CI_SRC/packaging/conan/conanfile.py"
count_check "the recipes for vcpkg and Conan can be read"
if try_install ruby; then
    ruby -c "$CI_SRC/packaging/homebrew/forkcall.rb"
    count_check "the formula can be read by ruby"
else
    skip_part "ruby cannot be installed: the formula is not looked at"
fi

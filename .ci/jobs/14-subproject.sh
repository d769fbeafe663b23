# A release by meson dist and some of its own tests, and the library of that release as a subproject
# of another Meson project, with nothing installed.
. "$CI_DIR/lib.sh"
need_build_tools
need git xz-utils libpng-dev
# meson dist packs what git has. All the tests would run on it, but other jobs run these on the same
# files.
cp -R "$CI_SRC" tree
git -C tree init -q
git -C tree add -A
git -C tree -c user.name=ci -c user.email=ci@localhost commit -qm tree
meson setup build-dist tree -Dtests=disabled -Dexamples=false
meson dist -C build-dist --no-tests --formats xztar
(cd build-dist/meson-dist && sha256sum -c ./*.sha256sum)
tar -xJf build-dist/meson-dist/forkcall-*.tar.xz
diff -r --exclude=.git tree forkcall-[0-9]* || die "a release lacks files of the tree, or has others"
count_check "meson dist packs the whole tree"

# The release's own tests: those that read files of the tree, and some that make calls. Without
# --no-rebuild Meson builds what these need, and no more.
say "some tests of the release"
release_tests=(messages symbols refused_types fuzz_replay png hello snippets test_buf test_helper test_timeout
    'test_timeout server' 'test_timeout spawn')
meson setup build-release forkcall-[0-9]* "${strict[@]}" -Dreal_hosts=disabled
meson test -C build-release --print-errorlogs "${release_tests[@]}"
count_tests build-release/meson-logs/testlog.json

mkdir -p host/subprojects
mv forkcall-[0-9]* host/subprojects/forkcall
cp "$CI_SRC/tests/consumer/consumer.c" host/
cat >host/meson.build <<'CODE'
project('host', 'c', default_options: ['c_std=c99', 'warning_level=3', 'werror=true'])
# By name, as it would be found if it were installed …
by_name = dependency('forkcall', fallback: 'forkcall', required: true)
# … and from the subproject itself.
by_variable = subproject('forkcall').get_variable('forkcall_dep')
test('by name', executable('by-name', 'consumer.c', dependencies: by_name, override_options: ['c_std=c11']))
test('by variable', executable('by-variable', 'consumer.c', dependencies: by_variable, override_options: ['c_std=c11']))
CODE
for library in shared static; do
    say "meson setup build-$library"
    meson setup --wrap-mode nodownload --force-fallback-for forkcall -Ddefault_library=$library "build-$library" host
    compile "build-$library"
    # The host's tests are two; the subproject's own must not be among them by default.
    run_tests "build-$library" --suite host
done

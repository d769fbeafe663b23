# The library as a subproject of another Meson project, with nothing installed.
. "$CI_DIR/lib.sh"
need_build_tools
mkdir -p host/subprojects
cp -R "$CI_SRC" host/subprojects/forkcall
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

# The README's two commands on a Debian 12 with nothing installed, made here by debootstrap; then
# Debian packages, which are built, installed and used there.
. "$CI_DIR/lib.sh"
. "$CI_DIR/foreign.sh"
. "$CI_DIR/readme.sh"
readme_block test-command >test-command.sh
readme_block example-command >example-command.sh
[ "$(id -u)" = 0 ] || skip_job "only root can make a fresh system"
need debootstrap util-linux
read -r uri _ < <(debian_archive) || true
[ -n "${uri:-}" ] || skip_job "this system's package archive is not Debian's"
say "debootstrap"
debootstrap --variant=minbase bookworm root "$uri" >debootstrap.log 2>&1 ||
    { tail -n 5 debootstrap.log; skip_job "debootstrap made no system"; }

# The same archive and the same way to it.
printf 'deb %s bookworm main\n' "$uri" >root/etc/apt/sources.list
cp /etc/resolv.conf /etc/hosts root/etc/
(apt-config dump | grep -iE '^Acquire::(http|https)::Proxy' || true) >root/etc/apt/apt.conf.d/99proxy
# The README speaks to a person, who may have to say sudo; nobody is there to be asked.
printf '#!/bin/sh\nexec "$@"\n' >root/usr/local/bin/sudo
chmod +x root/usr/local/bin/sudo
printf 'APT::Get::Assume-Yes "true";\n' >root/etc/apt/apt.conf.d/99yes

in_fresh_system()
{
    # The mounts are gone with the last process in it.
    # shellcheck disable=SC2016
    env -u APT_CONFIG unshare --mount --pid --fork --kill-child sh -euc '
        mount -t proc proc root/proc
        mount --rbind /dev root/dev
        exec chroot root /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root DEBIAN_FRONTEND=noninteractive sh -euc "cd /$1 && exec sh -eu ./command.sh"' sh "$1"
}
rc=0
for command in example-command test-command; do
    cp -R "$CI_SRC" "root/$command"
    cp "$command.sh" "root/$command/command.sh"
    say "$command in the fresh system"
    if in_fresh_system "$command"; then
        count_check "$command in a fresh system"
    else
        rc=1
    fi
done
count_tests "$(find root/test-command -name testlog.json | head -n 1)"
[ "$rc" = 0 ] || die "a command of the README failed in the fresh system"

# The packages. packaging/debian lies where dpkg-buildpackage looks for it.
cp -R "$CI_SRC" root/package
cp -R "$CI_SRC/packaging/debian" root/package/debian
cat >root/package/command.sh <<'CODE'
export DEB_BUILD_OPTIONS="nocheck parallel=2" DEB_BUILD_PROFILES=nocheck
apt-get install --no-install-recommends build-essential >/dev/null
apt-get build-dep --no-install-recommends ./ >/dev/null
dpkg-buildpackage -b -us -uc
CODE
say "dpkg-buildpackage in the fresh system"
in_fresh_system package >package.log 2>&1 || { tail -n 60 package.log; die "the Debian packages cannot be built"; }
count_check "the Debian packages are built in a fresh system"

# What autopkgtest would do: install the packages and what the test needs, and run the test in the
# tree. Then a program that has the library as a Meson subproject.
mkdir root/use root/use/subprojects
cp "$CI_SRC/tests/consumer/consumer.c" root/use/
cp -R "$CI_SRC" root/use/subprojects/forkcall
cat >root/use/meson.build <<'CODE'
project('use', 'c', default_options: ['c_std=c11', 'buildtype=plain'])
executable('use', 'consumer.c', dependencies: subproject('forkcall').get_variable('forkcall_dep'))
CODE
cat >root/use/command.sh <<'CODE'
apt-get install --no-install-recommends /libforkcall0_*.deb /libforkcall-dev_*.deb /forkcall-helper_*.deb \
    /libforkcall-doc_*.deb >/dev/null
apt-get install --no-install-recommends $(sed -n 's/^Depends: //p' /package/debian/tests/control |
    tr , '\n' | grep -vE 'forkcall') >/dev/null
mkdir /use/autopkgtest
(cd /package && AUTOPKGTEST_TMP=/use/autopkgtest sh debian/tests/build)
test -s /usr/share/doc/libforkcall-doc/html/forkcall_run.3.html
python3 /package/.ci/links.py /usr/share/doc/libforkcall-doc
echo "the links of the documentation: ok"
rm -rf /package/obj-*
meson setup build && ninja -C build use && build/use
echo "by Meson subproject: ok"
CODE
say "the packages in use in the fresh system"
in_fresh_system use >use.log 2>&1 || { tail -n 60 use.log; die "the Debian packages cannot be used"; }
for way in 'by pkg-config' 'by CMake' 'the manual' 'the links of the documentation' 'by Meson subproject'; do
    grep -qx "$way: ok" use.log || die "no word of: $way"
    count_check "a fresh system with the packages: $way"
done

# There is no request for these packages at Debian's that a changelog could close.
if try_install lintian; then
    lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs root/*.changes
    count_check "the packages with lintian"
else
    skip_part "lintian cannot be installed: the Debian packages are not looked at by it"
fi

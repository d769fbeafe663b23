# The README's two commands on a Debian 12 with nothing installed, made here by debootstrap.
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

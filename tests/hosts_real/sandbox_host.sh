#!/bin/sh
# A program with calls by a copy of itself, and a Python program with calls by the helper, in each
# sandbox that can run here: sandbox_host.sh PLAIN_HOST PYTHON PYTHON_HOST LIBRARY HELPER
plain=$1 helper=$5
shift
failed=0

# in_sandbox NAME COMMAND...: a sandbox that cannot even run true is left out, with its words.
in_sandbox()
{
    name=$1
    shift
    if ! command -v "$1" >/dev/null; then
        echo "skipped $name: it is not installed"
    elif ! said=$("$@" true 2>&1); then
        echo "skipped $name: $(echo "$said" | head -n 1)"
    elif "$@" "$plain" "$helper" && "$@" "$python" "$script" "$library" "$helper"; then
        echo "ok $name"
    else
        echo "failed $name"
        failed=1
    fi
}
python=$1 script=$2 library=$3
in_sandbox 'bubblewrap with a process namespace' bwrap --dev-bind / / --proc /proc --unshare-pid --die-with-parent
in_sandbox 'bubblewrap without a network, in a session of its own' bwrap --dev-bind / / --unshare-net --new-session
in_sandbox 'firejail without a profile' firejail --quiet --noprofile
in_sandbox 'firejail with its filter of system calls' firejail --quiet --noprofile --seccomp --caps.drop=all --nonewprivs
in_sandbox 'systemd-run, a service' systemd-run --quiet --wait --pipe
in_sandbox 'systemd-run, a scope of the user' systemd-run --user --quiet --scope
exit "$failed"

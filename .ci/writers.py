#!/usr/bin/env python3
"""Checks that each member of struct forkcall_call is assigned only by the files that its group names.

    .ci/writers.py SRC

In call/call.h a line like
    /* ---- call/state.c, server/: what the members are ---- */
begins a group: the files, or folders, that may assign its members. A function that is given the address of a
member is not seen; such members belong to the module of that function.
"""
import pathlib
import re
import sys

FOLDERS = ["call", "server", "method", "api"]  # the others know nothing of a call


def groups(text):
    """For each member: the files and folders that may assign it."""
    writers, current = {}, None
    body = re.search(r"^struct forkcall_call \{\n(.*?)^\};", text, re.S | re.M).group(1)
    body = re.sub(r"/\* (?!----).*?\*/", "", body, flags=re.S)
    for line in body.split("\n"):
        head = re.match(r"\s*/\* ---- ([^:]+): .*---- \*/$", line)
        if head:
            current = head.group(1).split(", ")
        elif ";" in line:
            if current is None:
                sys.exit(f"writers.py: no group names who writes: {line.strip()}")
            for name in re.findall(r"(\w+)(?:\[\w+\])?(?=[,;])", line):
                writers[name] = current
    return writers


def main():
    src = pathlib.Path(sys.argv[1])
    writers = groups((src / "call/call.h").read_text())
    assigned = re.compile(r"\bcall->(\w+)(?:\.\w+|\[[^\]]*\])*(?: (?:[-+|&]|<<|>>)?= |\+\+|--)|(?:\+\+|--)call->(\w+)")
    seen, wrong = set(), 0
    for path in sorted(p for folder in FOLDERS for p in (src / folder).rglob("*.c")):
        name = str(path.relative_to(src))
        function = ""
        for number, line in enumerate(path.read_text().split("\n"), 1):
            function = re.match(r"\w.*?(\w+)\(", line).group(1) if re.match(r"\w.*?\w+\(", line) else function
            if function == "fc_call_init":
                continue
            for match in assigned.finditer(line):
                member = match.group(1) or match.group(2)
                if member not in writers:
                    continue  # of another struct
                seen.add(member)
                if not any(name == w or (w.endswith("/") and name.startswith(w)) for w in writers[member]):
                    print(f"{path}:{number}: assigns call->{member}, which belongs to {', '.join(writers[member])}")
                    wrong += 1
    if not seen:
        sys.exit("writers.py: nothing is assigned at all: the check sees nothing")
    print(f"{len(writers)} members of struct forkcall_call, {len(seen)} assigned by name")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

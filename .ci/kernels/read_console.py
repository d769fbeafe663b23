"""Reads what a guest has told of its tests, and writes it as Meson's testlog.json, for testlog.py.

read_console.py NAMES SKIPPED RESULTS CONSOLE LOG GUEST: NAMES is the list that the guest was given. A test fails whose result is
missing or not whole, and so does the whole run where the guest has not told its end.
"""

import json
import re
import sys

NOT_HERE = 77


def read_lines(path):
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def read_blocks(lines):
    """By number: exit status, seconds, lines of standard output and of standard error. Only whole ones."""
    blocks = {}
    number, told = None, []
    for line in lines:
        begin = re.fullmatch(r"@begin (\d+)", line)
        end = re.fullmatch(r"@end (\d+) (\d+) (\d+) (\d+)", line)
        if begin:
            number, told = begin[1], [line]
        elif end:
            if end[1] == number and int(end[4]) == len(told):
                blocks[int(number)] = int(end[2]), int(end[3]), told[1:]
            number, told = None, []
        elif line:
            told.append(line)
    return blocks


def told_last(console):
    """Why a guest may have told no end: the last line of its console."""
    lines = [line for line in read_lines(console) if line.strip()]
    return "it has told no end; its console: " + (lines[-1] if lines else "nothing")


def main(names, skipped, results, console, log, guest):
    names = read_lines(names)
    lines = read_lines(results)
    blocks = read_blocks(lines)
    whole = bool(lines) and lines[-1] == f"@all {len(names)}"
    tests = []
    for number, name in enumerate(names, 1):
        rc, seconds, told = blocks.get(number, (None, 0, []))
        out = "\n".join(line[2:] for line in told if line.startswith("1|"))
        err = "\n".join(line[2:] for line in told if line.startswith("2|"))
        result = "OK" if rc == 0 else "SKIP" if rc == NOT_HERE else "FAIL"
        if rc is None:
            err = "the guest has told no whole result of this test"
        print(f"{result:5} {seconds:4} s  {name}" + (f"  (exit status {rc})" if result == "FAIL" else ""))
        if result == "FAIL":
            print("\n".join("    " + line for line in (out + "\n" + err).splitlines()[-60:]))
        tests.append({"name": f"{name} [{guest}]", "result": result, "stdout": out, "stderr": err})
    for line in read_lines(skipped):
        name, reason = line.split("\t")
        tests.append({"name": f"{name} [{guest}]", "result": "SKIP", "stdout": reason, "stderr": ""})
    if not whole:
        tests.append({"name": f"the guest comes to its end [{guest}]", "result": "FAIL", "stdout": "", "stderr": told_last(console)})
        print("FAIL: the guest has told no end")
    with open(log, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(test) + "\n" for test in tests)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

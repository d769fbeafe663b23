"""Reads Meson's testlog.json: prints what was skipped and why, and adds counts and names to a job's result file.

A test program that tells its cases, in cmocka's own format or in TAP, counts as these; any other as one.
"""

import json
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def cmocka_cases(out, err):
    """Cases passed and failed, and [name, reason] of each skipped: what a case prints before it skips is its reason."""
    passed = failed = 0
    skipped = []
    printed = []
    for line in out.splitlines():
        told = re.match(r"\[ +(RUN|OK|FAILED|SKIPPED) +\] (\w+)$", line)
        if not told:
            printed.append(line.strip())
        elif told[1] == "RUN":
            printed = []
        elif told[1] == "OK":
            passed += 1
        elif told[1] == "FAILED":
            failed += 1
        else:
            reason = " ".join(text for text in printed if text)
            skipped.append([told[2], re.sub(r"^skipped \w+: ", "", reason) or "no reason given"])
    known = {name for name, _ in skipped}
    for name in re.findall(r"^\[  SKIPPED \] (\w+)$", err, re.MULTILINE):
        if name not in known:
            skipped.append([name, "no reason given"])
    return passed, failed, skipped


def tap_cases(out):
    passed = failed = 0
    skipped = []
    for bad, name, skip in re.findall(r"^(not )?ok\b[\d \t-]*([^#\n]*)(#[ \t]*skip\b.*)?$", out, re.MULTILINE | re.IGNORECASE):
        if skip:
            skipped.append([name.strip() or "a case", re.sub(r"(?i)^#\s*skip:?\s*", "", skip) or "no reason given"])
        elif bad:
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def count(test):
    """Passed, failed, and [name, reason] of each skipped."""
    out, err = test.get("stdout") or "", test.get("stderr") or ""
    name = test["name"].split(" / ")[-1]
    if test["result"] in SKIPPED:
        lines = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip()]
        return 0, 0, [[name, lines[-1] if lines else "no reason given"]]
    passed, failed, skipped = cmocka_cases(out, err) if "[ RUN " in out else tap_cases(out)
    skipped = [[f"{name}: {case}", reason] for case, reason in skipped]
    if test["result"] not in PASSED:
        return passed, failed or 1, skipped
    # A case has failed in a program that passed, so Meson did not notice.
    if failed or passed or skipped:
        return passed, failed, skipped
    return 1, 0, []


def places_of_failure(test):
    """Name, cases, lines and reasons of a test that failed, in one line."""
    out, err = test.get("stdout") or "", test.get("stderr") or ""
    cases = re.findall(r"^\[  FAILED  \] (\w+)$", out, re.MULTILINE)
    lines = re.findall(r"^\[   LINE   \] --- (?:\.\./)*(?:tree/)?(\S+?:\d+)", err, re.MULTILINE)
    # What is said before such a line, or by a host of its own, tells why.
    said = re.findall(
        r"^\[  ERROR   \] --- (.+)|^(?:\.\./)*(?:tree/)?(.+:\d+: (?!error: Failure).+|a first call: .+)", err, re.MULTILINE
    )
    reasons = [f"({text[:200]})" for text in ("".join(pair) for pair in said[:6])]
    if not lines and not reasons:
        told = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip()]
        reasons = [f"({told[-1][:200]})"] if told else []
    return " ".join([test["name"].split(" / ")[-1], test["result"], *cases, *lines, *reasons])


def main(log, results):
    with open(log, encoding="utf-8") as file:
        tests = [json.loads(line) for line in file if line.strip()]
    total = [0, 0, 0]
    with open(results, "a", encoding="utf-8") as out:
        for test in tests:
            passed, failed, skipped = count(test)
            total = [total[0] + passed, total[1] + failed, total[2] + len(skipped)]
            for name, reason in skipped:
                print(f"skipped: {name}: {reason}")
                print(f"skip {name}: {reason}", file=out)
            if failed or test["result"] not in PASSED | SKIPPED:
                print("fail", places_of_failure(test), file=out)
        print("tests", *total, file=out)
    print(f"{len(tests)} test programs: {total[0]} cases ok, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not tests else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

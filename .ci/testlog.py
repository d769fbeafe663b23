"""Reads Meson's testlog.json: prints what was skipped and why, and adds the counts to a job's result file."""

import json
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def skip_reasons(test):
    """The reasons in a test's own words: TAP's '# SKIP reason', else the last line it printed."""
    text = test.get("stdout") or ""
    reasons = re.findall(r"#\s*SKIP\b:?[ \t]*(.*)", text, re.IGNORECASE)
    if reasons:
        return [reason.strip() or "no reason given" for reason in reasons]
    if test["result"] not in SKIPPED:
        return []
    lines = [line for line in (text + "\n" + (test.get("stderr") or "")).splitlines() if line.strip()]
    return [lines[-1].strip() if lines else "no reason given"]


def main(log, results):
    with open(log, encoding="utf-8") as file:
        tests = [json.loads(line) for line in file if line.strip()]
    counts = [0, 0, 0]
    cases = 0
    with open(results, "a", encoding="utf-8") as out:
        for test in tests:
            result = test["result"]
            counts[0 if result in PASSED else 2 if result in SKIPPED else 1] += 1
            cases += len(re.findall(r"^(?:not )?ok\b", test.get("stdout") or "", re.MULTILINE))
            name = test["name"].split(" / ")[-1]
            for reason in skip_reasons(test):
                print(f"skipped: {name}: {reason}")
                print(f"skip {name}: {reason}", file=out)
        print("tests", *counts, file=out)
    print(f"{len(tests)} tests with {cases} cases: {counts[0]} ok, {counts[1]} failed, {counts[2]} skipped")
    return 1 if counts[1] or not tests else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

#!/usr/bin/env python3
"""Measures what the tests notice: makes single-line changes in a copy of src/, one at a time, runs
the tests that execute the changed line, and prints the changes that no test has noticed.

    mutate.py --count 100 --seed 1                     random changes in all of src/
    mutate.py --count 20 src/call/decide_outcome.c     in one file
    mutate.py --work DIR …       keeps the builds and the coverage in DIR for later runs
    mutate.py --longest 5 …      leaves out tests that take more than 5 s: a first look

CI does not run this script, because 100 changes take an hour or two. A changed library may fork
without end, so each test runs in a pid namespace and in a pids cgroup with a limit. The script
needs root and such a cgroup, and refuses to run without them. It also needs Linux, gcc, meson, ninja
and gcov. Exit status: 0 if at least 95 of 100 changes were noticed, else 1.
"""
import argparse
import collections
import concurrent.futures
import fcntl
import json
import math
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIDS_MAX = 500
TESTS_AT_ONCE = int(os.environ.get("TESTS_AT_ONCE", "2"))
FIRST_TESTS = 12  # built and run before the others, because they notice most changes
WANTED_OF_100 = 95


# ---- Changes ------------------------------------------------------------------------------------

# Patterns and their replacements. One match in one line is one change.
SWAPS = [
    (r" == ", " != "), (r" != ", " == "),
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
    (r" && ", " || "), (r" \|\| ", " && "),
    (r" \+ 1\b", ""), (r" - 1\b", ""), (r" \+ ", " - "), (r" - ", " + "),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"\bif \((?=.*\)( \{)?$)", "if (!"), (r"\bwhile \((?=.*\)( \{)?$)", "while (!"),
    (r" \? ", " ? 0 : 1 ? "),
    (r"(?<=return )r;", "0;"),
]
# Matches a statement that only calls a function or assigns to a member. It is dropped.
DROPPED = re.compile(r"^\s+(?!return\b|else\b|case\b|if\b|for\b|while\b|do\b|goto\b|break\b|static\b|const\b)"
                     r"(\(void\))?[A-Za-z_][\w>.\-\[\]]*(\(.*\)| (=|\|=|&=|\+=) .*);\s*$")

# Changes that make no difference, and are not made. Each entry: function (None: any), pattern of
# the line, kind of change (None: any), reason.
NO_DIFFERENCE = [
    (None, r"", "clock", "it counts nanoseconds: that a deadline is met exactly cannot be brought about"),
    ("touch_memory", r"", None, "only touches pages, so that a call does not wait for them"),
    # Its other two lines flush the streams, and register the handlers that run at the
    # function's return.
    ("fc_child_prefault", r"^(?!.*(return_is_guarded|fc_streams_flush))", None,
     "only touches pages, so that a call does not wait for them"),
    (None, r"", "descriptor", "0 in place of -1: what stands in a table is never 0, see fc_fd_above_streams"),
    (None, r"\bsched_yield\(\)|\bmadvise\(", "dropped", "a hint to the system, without which it takes longer"),
]
BOUNDS = {(" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > ")}
CLOCK = r"(\bnow|_(ns|NS)(\(\))?)"


def makes_no_difference(function, line, kind):
    return any((where is None or where == function) and re.search(pattern, line) and (what is None or what == kind)
               for where, pattern, what, _ in NO_DIFFERENCE)


def kind_of(plain, match, new):
    """The kind of a change of a bound. "clock": the change matters only if two compared moments are
    the same. "descriptor": the change matters only if a descriptor of a table, or process.fd, which
    is a copy of one, is 0. Else "other"."""
    moments = re.search(CLOCK + "$", plain[:match.start()]) and re.match(r"[\w.>\[\]-]*?" + CLOCK + r"(?!\w)",
                                                                        plain[match.end():])
    entry = re.search(r"\b(fds(\.|->)fd\[\w+\]|process(\.|->)fd)$", plain[:match.start()]) and re.match(r"0\b", plain[match.end():])
    if (match.group(), new) not in BOUNDS:
        return "other"
    return "clock" if moments else "descriptor" if entry else "other"


def without_comments(text):
    """Returns the text with comments and strings blanked, so that lines and columns stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\\n])*\"|'(\\.|[^'\\\n])*'", blank, text, flags=re.S)


def invert(line, start):
    """Turns if (X) into if (!(X)). start is the column behind the opening parenthesis."""
    depth = 1
    for i in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[i], 0)
        if depth == 0:
            return line[:start] + "!(" + line[start:i] + ")" + line[i:]
    return None


def changes_of(path, compiled):
    """Yields (line number, old line, new line) for the changes of a file that may make a difference,
    in the lines that are compiled."""
    for number, old, new, function, kind in all_changes_of(path):
        if number in compiled and not makes_no_difference(function, old, kind):
            yield number, old, new


def all_changes_of(path):
    """Yields also the function and the kind of the change: "clock", "descriptor", "dropped" or
    "other"."""
    text = path.read_text()
    lines, code = text.split("\n"), without_comments(text).split("\n")
    inside, function = False, ""  # the braces of a function stand in the first column
    for i, (line, plain) in enumerate(zip(lines, code)):
        named = re.match(r"\w[^=;]*?(\w+)\(", plain)
        function = named.group(1) if named else function
        inside = plain.startswith("{") or (inside and not plain.startswith("}"))
        if not inside or plain.lstrip().startswith(("#", "case ", "static const")):
            continue
        for pattern, new in SWAPS:
            for match in re.finditer(pattern, plain):
                if new.endswith("(!"):
                    changed = invert(line, match.end())
                else:
                    changed = line[:match.start()] + new + line[match.end():]
                if changed is not None and changed != line:
                    yield i + 1, line, changed, function, kind_of(plain, match, new)
        if DROPPED.match(plain):
            yield i + 1, line, "    ;", function, "dropped"


# ---- Running in a cage --------------------------------------------------------------------------

class Cage:
    """A pids cgroup for one test. Processes that remain when the test has ended are killed."""

    base = None

    @classmethod
    def find(cls):
        for base in (pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup")):
            probe = base / f"forkcall-mutation-{os.getpid()}"
            try:
                probe.mkdir()
                (probe / "pids.max").write_text(str(PIDS_MAX))
                probe.rmdir()
                cls.base = base
                return
            except OSError:
                if probe.exists():
                    probe.rmdir()
        sys.exit("mutate.py: no pids cgroup can be made here, and a changed library may fork without end: not run")

    def __init__(self, name):
        self.path = self.base / f"forkcall-mutation-{os.getpid()}-{name}"
        self.path.mkdir(exist_ok=True)
        (self.path / "pids.max").write_text(str(PIDS_MAX))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def close(self):
        for _ in range(200):
            try:
                self.path.rmdir()
                return
            except OSError:
                for pid in (self.path / "cgroup.procs").read_text().split():
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                time.sleep(0.01)


def run_caged(name, command, env, cwd, timeout_s, output=subprocess.DEVNULL):
    """Returns the exit status, or 'timeout' if the command took too long."""
    cage = Cage(name)
    # The shell is the first process of the namespace and inherits orphans, so that the test does
    # not find them among its own children. setsid gives the test a process group whose leader is
    # inside the namespace: a group with a leader outside would have the number 0 there.
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL",
              "sh", "-c", 'setsid --wait "$@"; exit $?', "sh"] + command
    try:
        process = subprocess.Popen(inside, env={**os.environ, **env}, cwd=cwd, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, preexec_fn=cage.enter)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "timeout"
    finally:
        cage.close()


# ---- Builds and tests ---------------------------------------------------------------------------

def run(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


class Build:
    def __init__(self, work, name, options):
        self.src, self.dir, self.options = work / "tree", work / name, options

    def make(self):
        if not (self.dir / "build.ninja").exists():
            run("meson", "setup", str(self.dir), str(self.src), "-Dexamples=false", *self.options)
        run("ninja", "-C", str(self.dir))

    def tests(self):
        made = {os.path.abspath(file) for target in self.introspect("targets") for file in target["filename"]}
        return [Test(t, self.dir, made) for t in self.introspect("tests") if "examples" not in " ".join(t["suite"])]

    def introspect(self, what):
        out = subprocess.run(["meson", "introspect", f"--{what}", str(self.dir)], check=True, capture_output=True)
        return json.loads(out.stdout)


PASSED = (0, 77)


class Test:
    def __init__(self, described, folder, made):
        self.name = described["name"].replace(" ", "+").replace("/", "_")
        self.command, self.env = described["cmd"], described["env"]
        self.cwd = described["workdir"] or folder
        # Programs and plugins among the test's arguments contain the library, too. Their names may
        # be relative.
        files = {os.path.abspath(os.path.join(folder, word)) for word in described["cmd"]}
        self.targets = sorted(files & made)

    def passes(self, timeout_s, env=None):
        return run_caged(self.name, self.command, {**self.env, **(env or {})}, self.cwd, timeout_s) in PASSED

    def why_it_fails(self, timeout_s, env=None):
        """Returns the exit status and the last lines about a failure. None: the test passes."""
        with tempfile.TemporaryFile() as output:
            status = run_caged(self.name, self.command, {**self.env, **(env or {})}, self.cwd, timeout_s, output)
            if status in PASSED:
                return None
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
        telling = [line.strip() for line in lines if re.search(r"FAILED|rror|assert|[Cc]annot| != ", line)]
        return f"exit status {status}: " + "; ".join((telling or lines)[-4:])


def at_once(function, items):
    with concurrent.futures.ThreadPoolExecutor(TESTS_AT_ONCE) as pool:
        return list(pool.map(function, items))


def lines_of(gcda_folder):
    """Returns the lines of src/ that a run of a test has executed, by its files in gcda_folder."""
    lines = set()
    found = []
    for file in gcda_folder.rglob("*.gcda"):
        notes = file.with_suffix(".gcno")
        origin = pathlib.Path("/") / notes.relative_to(gcda_folder)  # gcov needs both in one folder
        if "/tests/" not in str(origin) and origin.exists():
            notes.symlink_to(origin)
            found.append(str(file))
    if not found:
        return lines
    out = subprocess.run(["gcov", "--json-format", "--stdout", *found], capture_output=True, cwd=gcda_folder)
    text, decoder = out.stdout.decode(), json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        data, end = decoder.raw_decode(text, at)
        for file in data["files"]:
            name = os.path.basename(file["file"])
            lines.update(f"{name}:{n['line_number']}" for n in file["lines"] if n["count"] > 0)
        at = text.find("{", end)
    return lines


def cover(work, build):
    """Returns for each line of src ("call.c:12") the tests that execute it."""
    by_line = collections.defaultdict(list)
    preload = work / "dump_at_exit.so"
    run("gcc", "-shared", "-fPIC", "-o", str(preload), str(pathlib.Path(__file__).with_name("dump_at_exit.c")))

    def lines_by(test):
        folder = work / "gcda" / test.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        why = test.why_it_fails(600, {"GCOV_PREFIX": str(folder), "GCOV_PREFIX_STRIP": "0", "LD_PRELOAD": str(preload)})
        executed = lines_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{test.name}: executes {len(executed)} lines", flush=True)
        if why is not None:
            print(f"{test.name}: fails when its lines are counted, and may execute more of them: {why}", flush=True)
        return test.name, executed
    for name, executed in at_once(lines_by, build.tests()):
        for line in executed:
            by_line[line].append(name)
    return by_line


def measure(build):
    """Returns the seconds of each test that passes without a change, and why the others fail. A
    test that fails without a change says nothing about one."""
    def seconds_of(test):
        begin = time.monotonic()
        why = test.why_it_fails(600)
        return test.name, time.monotonic() - begin, why
    measured = at_once(seconds_of, build.tests())
    return ({name: seconds for name, seconds, why in measured if why is None},
            {name: why for name, _, why in measured if why is not None})


def compiled_lines(build, path):
    """Returns the numbers of the lines that the preprocessor keeps. The others are for other
    systems, and no test can notice a change of them here."""
    units = json.loads((build.dir / "compile_commands.json").read_text())
    unit = next(u for u in units if os.path.realpath(os.path.join(u["directory"], u["file"])) == os.path.realpath(path))
    command = re.sub(r" -(MD|c|M[QF] \S+|o \S+)(?= )", "", unit["command"]) + " -E"
    out = subprocess.run(shlex.split(command), cwd=unit["directory"], check=True, capture_output=True, text=True).stdout
    lines, number, here = set(), 0, False
    for line in out.split("\n"):
        marker = re.match(r'# (\d+) "(.*?)"', line)
        if marker:
            number, here = int(marker.group(1)), os.path.basename(marker.group(2)) == path.name
            continue
        if here and line.strip():
            lines.add(number)
        number += 1
    return lines


# ---- Judging ------------------------------------------------------------------------------------

def allowed_s(test, seconds):
    return 20 + 6 * seconds[test.name]


class Judge:
    """Asks the tests about the change that was made in build. A test is believed if it fails twice
    with the change and passes without it (in unchanged): a test that fails now and then notices
    nothing. Two tests that fail once each are believed, too: a change that writes over memory does
    not end every run."""

    def __init__(self, build, unchanged, seconds):
        self.build, self.seconds = build, seconds
        self.unchanged = {t.name: t for t in unchanged.tests()}

    def who_notices(self, tests):
        """Returns the name of the first test that notices the change, the quickest tests first;
        None: no test does; 'compiler': the change does not compile."""
        tests = sorted(tests, key=lambda t: self.seconds[t.name])
        failed_once = []
        for some in (tests[:FIRST_TESTS], tests[FIRST_TESTS:]):
            if not self.compiles(some):
                return "compiler"
            waiting = collections.deque(some)
            while waiting:
                for test, why in self.run_until_one_fails(waiting):
                    if self.believes(test, why, failed_once):
                        return test.name if len(failed_once) < 2 else " and ".join(failed_once)
        return None

    def compiles(self, tests):
        targets = sorted({os.path.relpath(t, self.build.dir) for test in tests for t in test.targets
                          if t.startswith(str(self.build.dir))})
        made = subprocess.run(["ninja", "-C", str(self.build.dir), *(targets or ["libforkcall.a"])],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return made.returncode == 0

    def run_until_one_fails(self, waiting):
        """Takes tests out of waiting and runs them until one fails. Returns the failed tests, which
        may be more than one, and why they failed."""
        failed, running = [], {}
        with concurrent.futures.ThreadPoolExecutor(TESTS_AT_ONCE) as pool:
            while running or (waiting and not failed):
                while waiting and not failed and len(running) < TESTS_AT_ONCE:
                    test = waiting.popleft()
                    running[pool.submit(test.why_it_fails, allowed_s(test, self.seconds))] = test
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    test = running.pop(future)
                    if future.result() is not None:
                        failed.append((test, future.result()))
        return failed

    def believes(self, test, why, failed_once):
        if test.passes(allowed_s(test, self.seconds)):
            print(f"{test.name}: failed once, and not again: not believed: {why}", flush=True)
            failed_once.append(test.name)
            return len(failed_once) > 1
        why = self.unchanged[test.name].why_it_fails(allowed_s(test, self.seconds))
        if why is not None:
            print(f"{test.name}: fails without the change as well: not believed: {why}", flush=True)
        return why is None


def tests_of(path, number, by_line):
    """Returns the tests that are known to execute the line, and the others that execute any line of
    the file: the coverage lacks what a child has executed that crashed or was killed."""
    found = by_line.get(f"{path.name}:{number}", [])
    others = {n for line, names in by_line.items() if line.startswith(path.name + ":") for n in names}
    return found, sorted(others.difference(found))


def lock(work):
    """Locks the folder until this process ends. Two runs in one folder would judge each other's
    changes."""
    file = open(work / "lock", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"mutate.py: {work} is in use by another run")
    return file


def prepare(args, work):
    tree = work / "tree"
    if not tree.exists():
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
        for name in files.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
    build, unchanged = (Build(work, name, ["-Dbuildtype=debugoptimized"]) for name in ("build", "unchanged"))
    unchanged.make()
    map_file = work / "coverage.json"
    if not map_file.exists():
        covered = Build(work, "coverage", ["-Db_coverage=true", "-Dbuildtype=debug",
                                           "-Dc_link_args=-Wl,-u,__gcov_dump -rdynamic"])
        covered.make()
        build.make()
        by_line = cover(work, covered)
        seconds, left_out = measure(build)
        found = json.dumps({"by_line": by_line, "seconds": seconds, "left_out": left_out})
        map_file.write_text(found)  # written last, so that an interrupted run begins again
    return tree, build, unchanged, json.loads(map_file.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="changes that compile")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--longest", type=float, default=math.inf, help="seconds: leaves out the tests that take longer")
    parser.add_argument("--work", type=pathlib.Path, help="where the copy, its builds and the coverage are kept")
    parser.add_argument("files", nargs="*", help="of src/; default: all that this system compiles")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 30)
    Cage.find()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="forkcall-mutation."))
    work.mkdir(parents=True, exist_ok=True)
    held = lock(work)
    tree, build, unchanged, coverage = prepare(args, work)
    by_line, seconds = coverage["by_line"], coverage["seconds"]
    for name, why in coverage["left_out"].items():
        print(f"{name}: left out, since it fails here without any change: {why}", flush=True)
    for name, took in seconds.items():
        if took > args.longest:
            print(f"{name}: left out, since it takes {took:.1f} s", flush=True)
    tests = {t.name: t for t in build.tests() if seconds.get(t.name, math.inf) <= args.longest}
    compiled = {line.split(":")[0] for line in by_line}
    paths = [tree / f for f in args.files] or [p for p in sorted(tree.rglob("src/**/*.c")) if p.name in compiled]
    every = [(path, *change) for path in paths for change in changes_of(path, compiled_lines(build, path))]
    random.Random(seed).shuffle(every)
    judge = Judge(build, unchanged, seconds)
    print(f"seed {seed}, {len(every)} possible changes in {len(paths)} files, kept in {work}", flush=True)

    survivors, noticed = [], 0
    for path, number, old, new in every:
        if noticed + len(survivors) >= args.count:
            break
        where = f"{path.relative_to(tree)}:{number}"
        concerned, others = ([tests[n] for n in names if n in tests] for names in tests_of(path, number, by_line))
        text = path.read_text()
        lines = text.split("\n")
        lines[number - 1] = new
        try:
            path.write_text("\n".join(lines))
            who = judge.who_notices(concerned) or judge.who_notices(others)
        finally:
            path.write_text(text)
        if who == "compiler":
            continue
        if who is None:
            survivors.append((where, old, new))
            reason = "SURVIVED"
        else:
            noticed += 1
            reason = who
        print(f"{noticed + len(survivors):4d} {where}: {old.strip()}  ->  {new.strip()}: {reason}", flush=True)

    total = noticed + len(survivors)
    print(f"\n{noticed} of {total} changes were noticed (seed {seed}).")
    for where, old, new in survivors:
        print(f"survived: {where}\n  - {old.strip()}\n  + {new.strip()}")
    held.close()
    if args.work is None:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if noticed * 100 >= WANTED_OF_100 * total else 1)


if __name__ == "__main__":
    main()

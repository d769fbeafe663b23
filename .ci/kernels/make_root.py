"""Makes the root file system of a guest: tests with the libraries that they need, and a list of what is to be run.

The tests and what they are given lie where they lie here, by the same paths. A line of a
file of chosen tests is a test's name, or a pattern of them (fnmatch). Behind a comma: 'user' runs it without privileges;
'if built' allows that there is none.
"""

import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys

# What the library loads by itself, and what the C library loads.
LOADED_LATER = ["libdw.so.1", "libgcc_s.so.1"]


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--targets", action="store_true", help="only print what ninja has to build for the chosen tests")
    parser.add_argument("--root")
    parser.add_argument("--triplet")
    parser.add_argument("--libraries", action="append", default=[], help="a directory in which libraries are looked for")
    parser.add_argument("--factor", type=int)
    parser.add_argument("--chosen", action="append", default=[], help="a file of test names")
    parser.add_argument("--file", action="append", default=[], help="another program or library that is needed")
    return parser.parse_args()


def dynamic(path):
    """What readelf says of a file: the libraries that it needs, where it looks for them, and its loader."""
    out = subprocess.run(["readelf", "-W", "-d", "-l", path], capture_output=True, text=True, check=False).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", out)
    paths = [p for found in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", out) for p in found.split(":") if p]
    loader = re.findall(r"program interpreter: (.*)\]", out)
    return needed, paths, loader


class Root:
    def __init__(self, args):
        self.root = args.root
        self.libraries = args.libraries
        self.system = "/lib/" + args.triplet
        self.have = set()

    def put(self, source, target):
        there = self.root + target
        if target in self.have:
            return
        self.have.add(target)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        shutil.copy(source, there)

    def put_library(self, name, directories):
        for directory in directories:
            path = os.path.join(directory, name)
            if os.path.exists(path):
                self.put_program(path, os.path.realpath(directory) + "/" + name)
                return True
        for directory in self.libraries:
            path = os.path.join(directory, name)
            if os.path.exists(path):
                self.put_program(path, self.system + "/" + name)
                return True
        return False

    def put_program(self, path, target):
        """With all that it needs."""
        if target in self.have:
            return
        self.put(path, target)
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                return
        needed, paths, loader = dynamic(path)
        paths = [p.replace("$ORIGIN", os.path.dirname(path)) for p in paths]
        for name in needed:
            if not self.put_library(name, paths) and not name.startswith("ld-linux"):
                sys.exit(f"{path} needs {name}, which is not in {paths + self.libraries}")
        for name in loader:
            if name not in self.have:
                for directory in self.libraries:
                    source = os.path.join(directory, os.path.basename(name))
                    if os.path.exists(source):
                        self.put(source, name)
                        break
                else:
                    sys.exit(f"{path} needs {name}")


def is_program(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def chosen_tests(files, known):
    """(name, is run as a user) in the order of the files; a pattern that fits nothing is an error."""
    chosen = []
    for path in files:
        with open(path, encoding="utf-8") as file:
            for line in file:
                line = line.split("#")[0].rstrip()
                if not line:
                    continue
                pattern, *how = [word.strip() for word in line.split(",")]
                names = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
                if not names and "if built" not in how:
                    sys.exit(f"{path}: no test '{pattern}'")
                chosen += [(name, "user" in how) for name in names if (name, "user" in how) not in chosen]
    return chosen


def put_script(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(path, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def introspect(build, what):
    out = subprocess.run(["meson", "introspect", "--" + what, build], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def main():
    args = options()
    build = os.path.realpath(args.build)
    tests = {test["name"]: test for test in introspect(build, "tests")}
    files = {target["id"]: target["filename"] for target in introspect(build, "targets")}
    built = {name: [file for target in test["depends"] for file in files[target]] for name, test in tests.items()}
    chosen = chosen_tests(args.chosen, tests)
    if args.targets:
        needed = {file for name, _ in chosen for file in built[name]}
        print(*sorted(os.path.relpath(file, build) for file in needed), sep="\n")
        return
    root = Root(args)
    for name in LOADED_LATER:
        root.put_library(name, [])
    for path in args.file:
        root.put_program(path, os.path.abspath(path))
    os.makedirs(args.root + "/list", exist_ok=True)
    listed = []
    skipped = []
    for name, as_user in chosen:
        test = tests[name]
        told = name + (" as a user" if as_user else "")
        if not test["cmd"][0].startswith(build + "/") or not is_program(test["cmd"][0]):
            skipped.append([told, "is a script, or a program of this system: it is not run in a guest"])
            continue
        # What a test loads or runs may be known to nothing but its code.
        for path in test["cmd"] + list(test["env"].values()) + built[name]:
            path = os.path.join(build, path)
            if path.startswith(build + "/") and os.path.isfile(path):
                root.put_program(path, path)
        command = []
        for word in test["cmd"]:
            here = word.startswith("/") and not word.startswith(build + "/")
            if here and os.path.isdir(word):
                shutil.copytree(word, args.root + word, dirs_exist_ok=True)
            # A program of this system: without it the test skips what it is for.
            if not here or os.path.isdir(word):
                command.append(word)
        number = len(listed) + 1
        env = {"FORKCALL_TEST_TIME_FACTOR": str(args.factor), "FORKCALL_TEST_IN_GUEST": "1", **test["env"]}
        put_script(f"{args.root}/list/{number}", ["#!/bin/sh", f"cd {shlex.quote(test['workdir'] or build)}"]
                   + [f"export {key}={shlex.quote(value)}" for key, value in env.items()]
                   + ["exec " + " ".join(map(shlex.quote, command))])
        with open(f"{args.root}/list/{number}.how", "w", encoding="utf-8") as file:
            file.write(f"limit={test['timeout'] * args.factor}\nuser={'user' if as_user else 'root'}\n"
                       f"alone={'' if test['is_parallel'] else 'yes'}\n")
        listed.append(told)
    with open(args.root + "/list/names", "w", encoding="utf-8") as file:
        file.write("".join(name + "\n" for name in listed))
    with open(args.root + "/list/skipped", "w", encoding="utf-8") as file:
        file.write("".join(f"{name}\t{reason}\n" for name, reason in skipped))
    if not listed:
        sys.exit("no test was chosen")


main()

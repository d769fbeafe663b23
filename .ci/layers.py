#!/usr/bin/env python3
"""Checks that the folders of src/ are layers: layers.py SRC [LIBRARY.a [NM]]

A file includes, and calls, only what lies in its own folder or in one before it in LAYERS; and no circle is left among the
files themselves: neither among headers that include each other, nor among objects of the library that call each other. Each
offending pair is named. The first line of each file says in which process its code runs. Exit status 1: there is a fault.
"""
import pathlib
import re
import subprocess
import sys

LAYERS = "base os result module wire crash exec child call server method api helper".split()


def included(path, root):
    """The headers of src/ that a file names."""
    names = re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)
    return [name for name in names if (root / name).is_file()]


def called(archive, nm, files):
    """For each file: {file that defines it: symbols} of what its object needs."""
    by_object = {"src_" + file.replace("/", "_") + ".o": file for file in files}
    defines, needs, file = {}, {}, None
    listing = subprocess.run([nm, archive], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if line.endswith(":"):
            name = re.search(r"(src_[^()/]+\.o)\)?:$", line)  # GNU nm names the member alone, LLVM's the archive, too
            file = by_object[name.group(1)]
            needs[file] = set()
        elif line:
            kind, symbol = line.split()[-2:]
            if kind == "U":
                needs[file].add(symbol)
            elif kind in "TDBRSCVW":
                defines[symbol] = file
    edges = {}
    for file, symbols in needs.items():
        edges[file] = {}
        for symbol in symbols:
            to = defines.get(symbol, file)
            if to != file:
                edges[file].setdefault(to, []).append(symbol)
    return edges


def circle(edges):
    """One circle of files, as a list, or None."""
    state, path = {}, []

    def walk(file):
        state[file] = "open"
        path.append(file)
        for to in edges.get(file, ()):
            if state.get(to) == "open":
                return path[path.index(to):] + [to]
            if to not in state and (found := walk(to)):
                return found
        state[file] = "done"
        path.pop()
        return None

    for file in sorted(edges):
        if file not in state and (found := walk(file)):
            return found
    return None


def check(edges, verb):
    faults = []
    for file, targets in sorted(edges.items()):
        for to in sorted(targets):
            here, there = file.split("/")[0], to.split("/")[0]
            if LAYERS.index(there) > LAYERS.index(here):
                why = f" ({', '.join(sorted(targets[to]))})" if isinstance(targets, dict) else ""
                faults.append(f"{file} {verb} {to}{why}: {there} lies above {here}")
    if found := circle(edges):
        faults.append(f"a circle of files that each {verb} the next: " + " -> ".join(found))
    return faults


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*.[ch]"))
    faults = [f"{f}: lies in none of the folders {' '.join(LAYERS)}" for f in files if f.split("/")[0] not in LAYERS]
    process = re.compile(r"/\* (ANY|(HOST|SERVER|CHILD)(, (SERVER|CHILD))*): ")
    faults += [f"{f}: the first line does not say in which process the file runs" for f in files
               if not process.match((root / f).read_text())]
    if not files:
        faults.append(f"{root}: no files")
    if not faults:
        of_headers = {f: included(root / f, root) for f in files if f.endswith(".h")}
        of_sources = {f: included(root / f, root) for f in files if f.endswith(".c")}
        faults += check(of_headers, "includes") + check(of_sources, "includes")
    if not faults and len(sys.argv) > 2:
        edges = called(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "nm", files)
        faults += check(edges, "calls")
        print(f"{len(edges)} objects, {sum(len(t) for t in edges.values())} pairs of caller and callee")
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{len(files)} files in {len(LAYERS)} layers, no circle")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

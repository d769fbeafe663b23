#!/usr/bin/env python3
"""The table of messages is complete and true.

    messages.py ROOT

Every string in ROOT/src and the header that reads as words is in the tables of ROOT/docs/messages.md, and what stands in the
tables is in the sources. There, … stands for what differs from call to call. A string that no user sees is
listed here. And one spelling is used everywhere: canceled.
"""
import pathlib
import re
import sys

CONVERSION = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|ll|[hlzjt])?[diouxXeEfgGcsp]")
WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? [a-z…A-Z(]")
# No messages: files, and strings.
NOT_FILES = ["src/os/fpu.h", "src/helper/main.c"]
NOT_STRINGS = [
    "those of call/call.h",  # _Static_assert
    "must be trivially copyable and no pointer",
    "no padding",
    "nothing to align",
    "small_result.h has this room",
    "the public struct holds all registers",
    "ext2 ext3 ext4 xfs btrfs f2fs bcachefs zfs jfs overlay squashfs erofs",
    # What others say.
    "terminate called after throwing an instance of '",
    "runtime error",
    "The process has forked and you cannot use this CoreFoundation functionality safely.",
]


def plain(text):
    """Without conversions, escapes, and what may stand around it."""
    text = CONVERSION.sub("…", text.replace(r"\n", " ").replace(r"\"", '"'))
    return " ".join(text.split()).strip(" ,;:…")


def parts(entry):
    """The entry, and what a string may be that is put together with others to make it."""
    pieces = entry.split("…")
    return {plain("…".join(pieces[i:j])) for i in range(len(pieces)) for j in range(i + 1, len(pieces) + 1)}


def strings(source):
    """The string literals of a C file, those that follow each other joined."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|\'(?:[^\'\\\n]|\\.)+\'|#\s*include[^\n]*|("(?:[^"\\\n]|\\.)*")', re.S)
    literal, end = None, 0
    for match in token.finditer(source):
        if match.group(1) is None:
            continue
        if literal is not None and re.fullmatch(r"[\s\\]*(PRI\w+\s*)?", source[end : match.start()]):
            literal += match.group(1)[1:-1]
        else:
            if literal is not None:
                yield literal
            literal = match.group(1)[1:-1]
        end = match.end()
    if literal is not None:
        yield literal


def main():
    root = pathlib.Path(sys.argv[1])
    wrong = []
    table, told = set(), set()
    for line in (root / "docs/messages.md").read_text().split("\n"):
        if line.startswith("| `"):
            cell = re.split(r"(?<!\\)\|", line)[1]
            table.update(plain(entry) for entry in re.findall(r"`([^`]+)`", cell))
    for entry in table:
        told |= parts(entry)
    found = set()
    for path in [root / "include/forkcall.h"] + sorted((root / "src").rglob("*.[ch]")):
        name = path.relative_to(root).as_posix()
        for string in strings(path.read_text()) if name not in NOT_FILES else []:
            text = plain(string)
            found.add(text)
            if WORDS.search(text) and not text.endswith(tuple(NOT_STRINGS)) and text not in told:
                wrong.append(f"{name}: docs/messages.md lacks: {text}")
    for entry in sorted(table):
        for piece in (piece.strip(" ,;:()") for piece in entry.split("…")):
            if " " in piece and not any(piece in text for text in found):
                wrong.append(f"docs/messages.md: nothing in src says: {piece}")
    if len(table) < 100 or len(found) < 100:
        wrong.append("the tables or the sources were not found")
    places = [root / name for name in ("src", "include", "docs", "examples", "tests", "packaging")]
    pages = [root / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")]
    for path in pages + [path for place in places for path in sorted(place.rglob("*.*")) if path.is_file()]:
        if path.suffix in (".c", ".h", ".cc", ".md", ".py", ".3", ".7") and path != pathlib.Path(__file__):
            for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
                if re.search("cancel" + "l(ed|ing)", line, re.I):
                    wrong.append(f"{path.relative_to(root)}:{number}: canceled has one l here: {line.strip()}")
    print("\n".join(wrong) if wrong else f"{len(table)} messages are in the tables, and in the sources")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

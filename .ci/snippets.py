#!/usr/bin/env python3
"""Each piece of a README's block of snippets stands in the example that it is taken from.

    snippets.py EXAMPLE <BLOCK

The pieces are divided by empty lines. Each begins with a comment of its own; the rest must be in the example, line
by line, at any depth.
"""
import sys
import textwrap


def main():
    lines = open(sys.argv[1]).read().split("\n")
    wrong = 0
    for piece in sys.stdin.read().strip("\n").split("\n\n"):
        wanted = piece.split("\n")[1:]
        places = (lines[i : i + len(wanted)] for i in range(len(lines)))
        if not wanted or not any(textwrap.dedent("\n".join(place)) == "\n".join(wanted) for place in places):
            print(f"{sys.argv[1]} does not have these lines:\n{piece}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())

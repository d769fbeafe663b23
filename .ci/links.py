"""Checks the Markdown files of a tree: every relative link leads to a file that is there, and every
anchor to a heading of it. Prints what leads nowhere; the exit status is 0 where all is right."""
import pathlib
import re
import sys


def anchor(heading):
    """GitHub's name for a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def text_of(path):
    """The file without its blocks of code, where # begins a comment and [x](y) is no link."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors_of(path):
    headings = re.findall(r"^#+ (.*)$", text_of(path), flags=re.M)
    return {anchor(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings}


def wrong_links(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (fragment and fragment not in anchors_of(file)):
            yield target


top = pathlib.Path(sys.argv[1])
pages = [page for page in sorted(top.rglob("*.md")) if not page.relative_to(top).parts[0].startswith("build")]
wrong = [f"{page}: {target}" for page in pages for target in wrong_links(page)]
print("\n".join(wrong) or f"{len(pages)} pages: every link leads somewhere")
sys.exit(bool(wrong) or not pages)

"""Checks the Markdown and HTML files of a tree: every relative link leads to a file of the tree, and
every anchor to a heading or element of that file. Prints what leads nowhere; the exit status is 0 where
all is right."""
import html
import pathlib
import re
import sys


def anchor(heading):
    """GitHub's name for a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def text_of(path):
    """A Markdown file without its blocks of code, where # begins a comment and [x](y) is no link."""
    text = path.read_text(encoding="utf-8")
    return text if path.suffix == ".html" else re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors_of(path):
    text = text_of(path)
    named = {html.unescape(name) for name in re.findall(r'\bid="([^"]*)"', text)}
    if path.suffix == ".html":
        return named
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return named | {anchor(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings}


def targets_of(path):
    text = text_of(path)
    found = [] if path.suffix == ".html" else re.findall(r"\]\(([^)\s]+)\)", text)
    return found + [html.unescape(name) for name in re.findall(r'\b(?:href|src|srcset)="([^"]*)"', text)]


def wrong_links(path, top):
    for target in targets_of(path):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or not file.resolve().is_relative_to(top.resolve()):
            yield target
        elif fragment and fragment not in anchors_of(file):
            yield target


top = pathlib.Path(sys.argv[1])
pages = [page for kind in ("*.md", "*.html") for page in sorted(top.rglob(kind))
         if not page.relative_to(top).parts[0].startswith("build")]
wrong = [f"{page}: {target}" for page in pages for target in wrong_links(page, top)]
print("\n".join(wrong) or f"{len(pages)} pages: every link leads somewhere")
sys.exit(bool(wrong) or not pages)

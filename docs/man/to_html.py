#!/usr/bin/env python3
"""Turns manual pages into HTML: to_html.py MANDOC DIRECTORY PAGE..."""
import html
import pathlib
import re
import subprocess
import sys

TEMPLATE = '''<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 46em; margin: 2em auto; padding: 0 1em; font: 1em/1.45 sans-serif; color-scheme: light dark; }}
pre, code, .Fn, .Fa, .Dv, .Vt, .Nm, .Pa, .Li {{ font-family: monospace; font-style: normal; }}
pre {{ padding: 0.8em; border: 1px solid #8888; overflow-x: auto; }}
table.head, table.foot {{ width: 100%; }}
td.head-vol {{ text-align: center; }}
td.head-rtitle, td.foot-os {{ text-align: right; }}
h1.Sh {{ font-size: 1.2em; }}
h2.Ss {{ font-size: 1em; }}
div.Bd-indent, .Bd.Bd-indent {{ margin-left: 1em; }}
a.permalink {{ color: inherit; text-decoration: none; }}
</style>
</head>
<body>
{body}
</body>
</html>
'''


def write(path, title, body):
    path.write_text(TEMPLATE.format(title=html.escape(title), body=body), encoding='utf-8')


def main(mandoc, directory, pages):
    index = []
    for page in map(pathlib.Path, pages):
        section = page.suffix
        head = page.read_text(encoding='utf-8').split('.Sh SYNOPSIS')[0]
        body = subprocess.run([mandoc, '-T', 'html', '-O', 'fragment,man=%N.%S.html', page],
                              check=True, capture_output=True, text=True).stdout
        # Pages of the system are not here.
        body = re.sub(r'<a class="Xr" href="(?!forkcall|FORKCALL|run_in_)[^"]*">(.*?)</a>', r'<span class="Xr">\1</span>', body)
        names = re.findall(r'^\.Nm (\S+)', head, re.M)
        for name in names:
            # On a file system without cases FORKCALL_VERSION is the page forkcall_version.
            if name == page.stem or name.lower() != page.stem.lower():
                write(directory / f'{name}{section}.html', f'{name}({section[1:]})', body)
        summary = re.search(r'^\.Nd (.*)', head, re.M).group(1)
        links = ', '.join(f'<a href="{page.name}.html">{name}({section[1:]})</a>' for name in names)
        index.append((section != '.7', page.name, f'<dt>{links}</dt><dd>{html.escape(summary)}</dd>'))
    write(directory / 'index.html', 'libforkcall',
          '<h1>libforkcall</h1>\n<dl>\n' + '\n'.join(entry for _, _, entry in sorted(index)) + '\n</dl>')


if __name__ == '__main__':
    main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:])

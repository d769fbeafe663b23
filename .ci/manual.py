#!/usr/bin/env python3
"""Compares the manual pages with the public header, and takes their code out.

  manual.py check            names, fields, links and references of docs/man and include/forkcall.h
  manual.py code DIRECTORY   writes each example, and the synopses as one file, to be compiled

A page stands for each name that the .Nm lines of its NAME section have.
"""
import pathlib
import re
import shlex
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
HEADER = TOP / 'include/forkcall.h'
PAGES = sorted(path for path in (TOP / 'docs/man').iterdir() if re.fullmatch(r'\.[1-9]', path.suffix))
# What pages may name although the header does not declare it: variables of the environment, and the
# beginning of several names.
OTHERS = {'FORKCALL_METHOD', 'FORKCALL_TIMEOUT', 'FORKCALL_DEBUG', 'FORKCALL_HAZARD_'}


def public_header():
    text = HEADER.read_text()
    text = re.sub(r'/\*\* @cond private \*/.*?/\*\* @endcond \*/', '', text, flags=re.S)
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    return text.replace('\\\n', ' ')


def header_names(text):
    """The names that need a page, and those that need only to be told."""
    names = set(re.findall(r'^#define (FORKCALL_\w+)', text, re.M)) - {'FORKCALL_H'}
    text = re.sub(r'^#.*$', '', text, flags=re.M)
    names |= set(re.findall(r'FORKCALL_PUBLIC [^;]*?\b(\w+)\(', text))
    names |= set(re.findall(r'^(?:struct|enum) (\w+)(?: \{|;)', text, re.M))
    names |= set(re.findall(r'^typedef \w+ (\w+)\(', text, re.M))
    details = set(re.findall(r'^\s+(FORKCALL_\w+) =', text, re.M))
    for body in re.findall(r'^struct \w+ \{(.*?)^\};', text, re.M | re.S):
        details |= set(re.findall(r'\b(\w+)(?:\[\w+\])?;', body))
    details = {name for name in details if not name.startswith('reserved')}
    return names, details


def section(text, name):
    found = re.search(rf'^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)', text, re.M | re.S)
    return found.group(1) if found else ''


def page_names(text):
    return [name for line in re.findall(r'^\.Nm (.*)', section(text, 'NAME'), re.M) for name in line.rstrip(' ,').split(' , ')]


def check():
    names, details = header_names(public_header())
    assert 'forkcall_run' in names and 'timeout_ms' in details and 'FORKCALL_OK' in details, 'the header is not understood'
    faults = []
    page_of = {}
    texts = {path.name: path.read_text() for path in PAGES}
    for page, text in texts.items():
        for name in page_names(text):
            if name in page_of:
                faults.append(f'{page}: {name} is also in {page_of[name]}')
            page_of[name] = page
            if name not in names and name not in ('forkcall', 'forkcall-helper'):
                faults.append(f'{page}: {name} is not in the header')
        if page_names(text)[:1] != [page[:-2]]:
            faults.append(f'{page}: the first name is not that of the file')
        needed = ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'SEE ALSO']
        needed += ['EXAMPLES'] if page[-1] != '8' else []
        needed += ['RETURN VALUES'] if re.search(r'^\.F[no] [^\n]*\n', section(text, 'SYNOPSIS'), re.M) and \
            not re.search(r'^\.Ft (void|typedef)', section(text, 'SYNOPSIS'), re.M) else []
        for name in needed:
            if not section(text, name):
                faults.append(f'{page}: no section {name}')
        for name in set(re.findall(r'\b(?:forkcall_|FORKCALL_|run_in_)\w+', re.sub(r'^\.Dt .*', '', text, flags=re.M))) - names - details - OTHERS:
            faults.append(f'{page}: {name} is not in the header')
    # A field or value is told where it heads an entry of a list.
    words = set(re.findall(r'\w+', '\n'.join(re.findall(r'^\.It .*', '\n'.join(texts.values()), re.M))))
    faults += [f'no page has the name {name}' for name in sorted(names - set(page_of))]
    faults += [f'no page tells of {name}' for name in sorted(details - words)]

    # Another name of a page is a link, but where a file system without cases would see one file.
    links = {}
    for page, others in re.findall(r"'(\S+)': \[(.*?)\]", (TOP / 'docs/man/meson.build').read_text(), re.S):
        links[page] = re.findall(r"'(\S+)'", others)
    for page, text in texts.items():
        wanted = [name for name in page_names(text)[1:] if name.lower() != page[:-2].lower()]
        if sorted(wanted) != sorted(links.get(page, [])):
            faults.append(f'docs/man/meson.build: the other names of {page} are {wanted}')
    known = set(texts) | {link + page[-2:] for page, others in links.items() for link in others}
    for page, text in texts.items():
        for name, number in re.findall(r'^\.Xr (\S+) (\d)', text, re.M):
            if re.match('forkcall|FORKCALL|run_in_', name) and f'{name}.{number}' not in known:
                faults.append(f'{page}: there is no page {name}({number})')
    for page, text in texts.items():
        for name in re.findall(r'^\.Pa (\S+\.md)', text, re.M):
            if not (TOP / 'docs' / name).is_file():
                faults.append(f'{page}: there is no docs/{name}')

    print('\n'.join(faults) or f'{len(texts)} pages tell of {len(names)} names and {len(details)} fields and values')
    return 1 if faults else 0


def literal(block):
    return re.sub(r'^\\&', '', block, flags=re.M).replace('\\e', '\\').replace('\\(dq', '"')


def synopsis(name, text):
    """The declarations of a synopsis as C."""
    code, type_, parts = [], '', None
    for line in section(text, 'SYNOPSIS').splitlines():
        macro, _, rest = line.partition(' ')
        words = shlex.split(rest) if macro in ('.Ft', '.Fn', '.Fo', '.Fa') else []
        if macro == '.Ft':
            type_ = ' '.join(words)
        elif macro == '.Fn':
            code.append(f'{type_} {words[0]}({", ".join(words[1:])});')
        elif macro == '.Fo':
            parts = words + ['']
        elif macro == '.Fa':
            parts += words
        elif macro == '.Fc' and parts[0].islower():
            code.append(f'{type_} {parts[0]}({", ".join(parts[2:])});')
        elif macro == '.Fd':
            code.append(rest)
        elif macro == '.Vt':
            code.append(f'static inline void {name}_{len(code)}(void) {{ {rest} }}')
    return code


def write_code(directory):
    directory.mkdir(parents=True, exist_ok=True)
    declarations = ['#include <forkcall.h>']
    count = 0
    for path in PAGES:
        text = path.read_text()
        declarations += [f'/* {path.name} */'] + synopsis(re.sub(r'\W', '_', path.name), text)
        for number, block in enumerate(re.findall(r'^\.Bd -literal.*?\n(.*?)^\.Ed', section(text, 'EXAMPLES'), re.M | re.S)):
            (directory / f'{path.name}.{number}.c').write_text(literal(block))
            count += 1
    (directory / 'synopses.c').write_text('\n'.join(declarations) + '\n')
    print(f'{count} examples')
    return 0 if count else 1


if __name__ == '__main__':
    if sys.argv[1:] == ['check']:
        sys.exit(check())
    if len(sys.argv) == 3 and sys.argv[1] == 'code':
        sys.exit(write_code(pathlib.Path(sys.argv[2])))
    sys.exit(__doc__)

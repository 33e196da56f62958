# SPDX-License-Identifier: GPL-2.0
"""The same tests, and other users of eventfds, on other machines and kernels."""
import glob
import os

from .files import OUT, part, read, table, text_rows, when


def arches():
    found = table('make arches', 'arches', 'table')
    rows = [read(f).strip('\n').split('\t') for f in sorted(glob.glob(OUT + '/arches/*.row'))]
    if found or not rows:
        return found
    heading = 'architecture|bits|endian|build, s|passed|fails as it must|failed|skipped|tests, s'.split('|')
    last = max(glob.glob(OUT + '/arches/*.row'), key=when)
    return part(
        'make arches',
        'arches',
        os.path.basename(last),
        unfinished=True,
        rows=[heading, *[r[:9] + [''] * (9 - len(r)) for r in rows]],
    )


def bases():
    return table('make bases', 'bases', 'table')


def consumers():
    found = table('make consumers', 'consumers', 'table')
    if found:
        found['differ'] = read(OUT, 'consumers/differences').splitlines()
    return found


def consumers_build():
    return text_rows(
        'make consumers-build',
        ['architecture', 'files', 'to prepare, s', 'to compile, s'],
        r'^([^\t\n]+)\t(\d+)\t(\d+)\t(\d+)$',
        'consumers-build',
        'table',
    )


def clients():
    return table('make clients', 'clients', 'table.tsv')

# SPDX-License-Identifier: GPL-2.0
"""The figures and the plots of `make bench`."""
import os

from .files import OUT, TOP, git, number, read, when


def bench():
    """Of the last run, or as it is kept with the source."""
    for where, kept in (OUT + '/bench', False), (TOP + '/bench/results', True):
        rows = [x.split('\t') for x in read(where, 'results.tsv').splitlines()]
        # of some cases only, there are no plots
        if len(rows) < 2 or not os.path.exists(where + '/ratio.svg'):
            continue
        stamp = when(where, 'results.tsv')
        if kept:
            stamp = number(git('log', '-1', '--format=%ct', '--', 'bench/results/results.tsv')) or stamp
        return {
            'command': 'make bench',
            'when': stamp,
            'kept': kept,
            'file': 'bench/results/results.tsv' if kept else 'bench/results.tsv',
            'rows': rows,
            'plots': {n: read(where, n + '.svg') for n in ('post', 'ratio') if read(where, n + '.svg')},
        }
    return None

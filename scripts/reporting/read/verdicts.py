# SPDX-License-Identifier: GPL-2.0
"""What `make test` and `make full` said, part by part."""
import re

from .files import OUT, TOP, read, text_rows


def tap_failures(*path):
    """What is not ok in the TAP of a script, and the comments with it: `check` says them before, `harness` after."""
    lines = read(OUT, *path).splitlines()
    if path[-1] == 'check.out':
        lines.reverse()
    found, at = [], None
    for line in lines:
        if line.startswith('not ok '):
            at = [re.sub(r'^not ok \d+ (- )?', '', line), []]
            found.append(at)
        elif not line.startswith('#'):
            at = None
        elif at:
            at[1].append(line[1:].strip())
    return [[name, '\n'.join((said[::-1] if path[-1] == 'check.out' else said)[:20])] for name, said in found]


def test():
    found = text_rows(
        'make test',
        ['part', 'passed', 'failed', 'skipped', 'seconds'],
        r'^(\w+) +(\d+) +(\d+) +(\d+) +(\d+|before)(?: s)?$',
        'test',
        'table',
    )
    if found:
        found['failures'] = {p: tap_failures('test', p + '.out') for p in ('check', 'harness', 'readme', 'report')}
    return found


def full():
    return text_rows(
        'make full',
        ['part', 'state', 'seconds', 'what it said'],
        r'^(\S+) +(pass|FAIL|before|-) +(\d+) s  (.*)$',
        'full',
        'table',
    )


def full_parts():
    """What make full would run: it knows what there is."""
    return re.findall(r'^[a-z-]+\t+([a-z].*?)\'?$', read(TOP, 'scripts/full'), re.M)

# SPDX-License-Identifier: GPL-2.0
"""The sections of what searches for faults."""
from .markup import Raw, bar, e, many, plain, state, table


def coverage(found):
    lines, hit, of_lines, branches, taken, of_branches = found['figures']
    text = (
        f'<p>{lines} % of the lines of <code>fs/eventfd.c</code> ({hit} of {of_lines}) '
        f'and {branches} % of its branches ({taken} of {of_branches}) are reached by the tests.</p>\n'
    )
    for name, n, all_ in ('lines', hit, of_lines), ('branches', taken, of_branches):
        text += bar([(f'{name} reached', int(n), 'k1'), (f'{name} not', int(all_) - int(n), 'k3')])
    if found['missed']:
        text += table(
            'What is not reached, and why',
            ['what', 'line', 'source', 'reason'],
            [
                [
                    k,
                    n,
                    Raw(f'<code>{e(t)}</code>'),
                    Raw(f'<span class=bad>{e(w)}</span>') if w.startswith(('NO REASON', 'MORE BRANCHES')) else w,
                ]
                for k, n, t, w in found['missed']
            ],
            'tnww',
        )
    return text


def mutants(found):
    _, killed, survived, equal, unbuilt, untried = [int(c) if c.isdigit() else c for c in found['rows'][-1]]
    text = '<p>Faults planted into <code>fs/eventfd.c</code>, one at a time: does a test find it?</p>' + bar(
        [
            ('killed', killed, 'k1'),
            ('survived', survived, 'k2'),
            ('nobody could notice', equal, 'k3'),
            ('not tried yet', untried, 'k4'),
        ]
    )
    text += plain('Planted faults by their kind, and what came of them', 'hnnnnn')(found)
    if found['survivors']:
        text += '<p>Survivors: ' + ', '.join(f'<code>{e(s)}</code>' for s in found['survivors']) + '</p>\n'
    return text


def model(found):
    names = [
        ['counter', 'Configurations: every order of steps', 'depth', 'verdict'],
        ['FAULT', 'Planted faults: each has to be found', 'trail', 'found by'],
    ]
    text = '<p>The wake protocol, every order in which its steps can happen, searched by a machine.</p>'
    for upper, (_, caption, depth, last) in enumerate(names):
        rows = [
            [Raw(f'<span class=mono>{e(r[0])}</span>'), f'{int(r[1]):,}' if r[1] else '', r[2], state(r[3]), r[4]]
            for r in found['rows']
            if r[0].isupper() == bool(upper)
        ]
        text += (
            f'<details><summary>{caption} <span class=soft>{len(rows)}</span></summary>'
            + table(caption, ['name', 'states', depth, '', last], rows, 'hnntw')
            + '</details>\n'
        )
    return text


def fuzz(found):
    text = (
        f'<p>{many(found["seeds"], "random sequence")} of {found["operations"]:,} operations on both kernels: '
        f'{many(len(found["different"]), "sequence")} answered differently without a rule.</p>\n'
    )
    return text + table(
        'Where they differ on purpose', ['times', '', 'operation', 'stock', 'series'], found['rules'], 'ntwww'
    )


def trinity(found):
    return (
        f'<p>{e(found["calls"] or "no calls counted")}, on the kernel that watches itself: '
        f'{many(found["summary"]["splats"], "complaint")} of the kernel.</p>\n'
    )

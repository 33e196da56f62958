# SPDX-License-Identifier: GPL-2.0
"""The figures at the top of the page."""
import re

from .found import D, count, of
from .markup import figure, many
from .outline import tile


def tiles():
    for run, name in (
        (of('series'), 'the series'),
        (of('stock'), 'the stock kernel'),
        (of('series', 'debug'), 'on a kernel that watches itself'),
    ):
        if run and (run['config'] == 'base' or not run['only']):
            n = count(run['suites'])
            more = [f'{n["beyond"]} fail as they should'] * bool(n['beyond']) + [
                f'{n["skip"]} skipped',
                f'{n["fail"]} failed',
            ]
            more += [f'TEST={run["only"]} only'] * bool(run['only']) + ['no verdict yet'] * (not run['summary'])
            tile(f'Tests, {name}', f'{n["pass"]:,}', ', '.join(['passed', *more]), 'Tests by area')
    if D['bench']:
        rows = {r[0]: r for r in D['bench']['rows']}
        best = min(
            (r for r in D['bench']['rows'][1:] if re.fullmatch(r'post-\d+', r[0])),
            key=lambda r: float(r[4]),
            default=None,
        )
        if best:
            tile(
                f'A post with {int(best[0][5:]):,} blocked readers',
                f'{figure(best[3])}',
                f'instructions, {figure(best[2])} on stock',
                'What it costs',
            )
        if 'write-read' in rows:
            r = rows['write-read']
            tile('A write and a read', figure(r[3]), f'instructions, {figure(r[2])} on stock', 'What it costs')
    if D['consumers']:
        tile(
            'Scenes of consumers',
            f'{sum(int(r[2]) for r in D["consumers"]["rows"][1:]):,}',
            f'in {many(len(D["consumers"]["rows"]) - 1, "suite")}, {len(D["consumers"]["differ"])} differ from stock without a reason',
            'Consumers in the kernel',
        )
    if D['coverage']:
        f = D['coverage']['figures']
        tile('Coverage', f'{f[0]} %', f'of the lines, {f[3]} % of the branches', 'Coverage')
    if D['mutants']:
        n = [int(c) for c in D['mutants']['rows'][-1][1:]]
        tile(
            'Planted faults found',
            f'{100 * n[0] / max(1, n[0] + n[1]):.1f} %',
            f'{n[0]} of {n[0] + n[1]} that can be noticed, {n[4]} not tried yet',
            'Planted faults',
        )
    if D['model']:
        good = sum(r[3] == 'ok' for r in D['model']['rows'])
        tile(
            'Model',
            f'{good} of {len(D["model"]["rows"])}',
            'configurations that hold and faults that are found',
            'The model',
        )

# SPDX-License-Identifier: GPL-2.0
"""What has gone wrong, wherever it is told, and how to see it again."""
import re

from .found import D, RUNS
from .markup import many
from .outline import problem


def repeat(run, test):
    command = re.sub('^make (stock|run)', r'make retest\1', run['command'])
    return command.replace('retestrun', 'retest').replace('reteststock', 'retest SERIES=none') + (
        f' TEST={test}' if test else ''
    )


def judge(run):
    summary, failed = run['summary'], 0
    for suite, results in run['suites'].items():
        for test, outcome, text in results:
            if outcome == 'fail':
                failed += 1
                name = f'{suite}.{test}' if test else suite
                problem(name if test else f'{name}, the suite', run, text, repeat(run, name))
    if summary.get('splats'):
        problem('a complaint of the kernel', run, run['splat'], repeat(run, run['only']))
    elif summary.get('exit_status') not in (None, 0, 2, 4) and not failed:
        words = {124: 'it did not end in time', 130: 'it was interrupted', 255: 'the guest died'}
        problem(
            words.get(summary['exit_status'], 'the results are not complete'),
            run,
            run['last'],
            repeat(run, run['only']),
        )
    if summary and failed != summary['failed']:
        problem(f'its summary counts {many(summary["failed"], "failure")}, its results have {failed}', run)


def collect():
    """What has gone wrong, wherever it is told."""
    for r in RUNS:
        judge(r)
    found = D['test']
    for part, failures in (found or {}).get('failures', {}).items():
        for name, text in failures:
            problem(f'{part}: {name}', found, text)
    for name in 'arches', 'bases', 'clients', 'full':
        rows = (D[name] or {}).get('rows', [[]])
        for row in rows[1:]:
            cells = dict(zip(rows[0], row))
            if cells.get('passed') in ('', '0'):
                problem(f'{row[0]}: no test has passed', D[name])
            elif cells.get('failed', '0') not in ('0', '-'):
                problem(f'{row[0]}: {cells["failed"]} failed', D[name])
            elif 'fail' in [c.lower() for c in row]:
                problem(f'{row[0]}: {row[-1] if name == "full" else "FAIL"}', D[name])
    for line in (D['consumers'] or {}).get('differ', []):
        problem(line, D['consumers'])
    names = (D['mutants'] or {}).get('survivors')
    if names:
        problem(
            f'{many(len(names), "planted fault")} that no test finds',
            D['mutants'],
            '\n'.join(names),
            f'make mutants MUTANT={",".join(names)}',
        )
    lines = [
        f'{kind} {n}: {text}'
        for kind, n, text, why in (D['coverage'] or {}).get('missed', [])
        if why.startswith(('NO REASON', 'MORE BRANCHES'))
    ]
    if lines:
        problem(
            f'{many(len(lines), "place")} of fs/eventfd.c not reached, without a reason',
            D['coverage'],
            '\n'.join(lines),
            'make coverage',
        )
    stale = (D['coverage'] or {}).get('stale', [])
    if stale:
        problem(
            f'{many(len(stale), "reason")} in selftests/unreached {"is" if len(stale) == 1 else "are"} not needed',
            D['coverage'],
            '\n'.join(stale),
            'make coverage',
        )
    for row in (D['model'] or {}).get('rows', []):
        if row[3] == 'FAIL':
            problem(f'{row[0]}: {row[4]}', D['model'], again=f'scripts/model {row[0]}')
    for seed in (D['fuzz'] or {}).get('different', []):
        problem(f'sequence {seed} is answered differently', D['fuzz'], again=f'make diff-fuzz START={seed} SEEDS=1')
    found = D['stress']
    if found and (found['failed'] or found['rows'][-1][3] != '0'):
        problem(f'runs that failed: {len(found["failed"])}; operations lost: {found["rows"][-1][3]}', found)
    if D['trinity'] and D['trinity']['summary']['exit_status']:
        problem('random calls', D['trinity'], again='make trinity')
    for p in D['patches']:
        if p.get('differ'):
            problem(
                f'{p["number"]} {p["subject"]}',
                {
                    'command': f'make bisect UPTO={int(p["number"])}',
                    'when': p['when'],
                    'file': f'bisect/{p["number"]}.diff',
                },
                '\n'.join(p['differ'][:20]),
            )

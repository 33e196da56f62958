# SPDX-License-Identifier: GPL-2.0
"""The sections of the series: what it does better, and patch by patch."""
import collections
import re

from .found import D, of
from .markup import SHORT, Raw, code, stamp, state, table


def letters(stock):
    main, out = of('series'), []
    for row in D['differences']:
        stock_n, ours = 0, collections.Counter()
        for suite, results in stock['suites'].items():
            for test, outcome, text in results:
                if outcome == 'beyond' and text == row['letter']:
                    stock_n += 1
                    ours.update(x[1] for x in (main['suites'].get(suite, []) if main else []) if x[0] == test)
        more = Raw(f'<small class=bad>{ours["fail"]} failed</small>') if ours['fail'] else ''
        out.append(
            [
                row['letter'],
                code(row['stock']),
                code(row['series']),
                stock_n or '–',
                Raw(f'{ours["pass"]}{more}') if stock_n else '–',
            ]
        )
    text = table(
        'What the stock kernel lacks, and how many tests fail on it for that, with the same binaries',
        ['', 'the stock kernel', 'with the series', 'fail on stock', 'of them pass on the series'],
        out,
        'hwwnn',
    )
    return (
        text
        + '<p class=soft>All other tests have to pass on both. Where there is no number, no test of this run can show it.</p>\n'
    )


def patches(_):
    rows = []
    for p in D['patches']:
        if 'passed' not in p:
            verdict = 'not run'
        elif p['differ']:
            verdict = state('FAIL')
        elif p['when'] < D['newest_test']['when']:
            verdict = 'older than the series'
        else:
            verdict = state('pass')
        rows.append(
            [
                p['number'],
                re.sub('^eventfd: ', '', p['subject']),
                p['claims'],
                f'{p["passed"]:,}' if 'passed' in p else '',
                verdict,
                stamp(p['when'], SHORT) if 'when' in p else '',
            ]
        )
    return table(
        'The patches, and at each a kernel that has only those up to there: does it pass what they claim, and nothing else?',
        ['patch', 'what it does', 'tests from here on', 'passed here', 'verdict', 'when, UTC'],
        rows,
        'hwnntm',
    )

# SPDX-License-Identifier: GPL-2.0
"""Runs, good and bad, and none."""
import os
import re

from .made_up import case, run, tap

GOOD = run(
    'run',
    tap('rw', 'ok 1 rw.counter.one', 'ok 2 rw.semaphore.one', 'ok 3 rw.counter.two # SKIP only on Sundays'),
    passed=2,
    skipped=1,
)
EVIL = '<script>alert(1)</script>"\'&amp;<img/src=x>'
COMMANDS = 'run stock arches bases consumers consumers-build clients coverage mutants model diff-fuzz trinity stress bisect test full'.split()
# what the stock kernel must fail, by the list itself
with open(os.path.join(os.path.dirname(__file__), '../../../selftests/beyond-stock'), encoding='utf-8') as f:
    MUST = next(m.group(1) for m in map(re.compile(r'(beyond\.\S+) A').match, f) if m)


def first(words):
    """what failed does not come first"""
    return 'Failed rw.rw.counter.bad' in words and words.index('rw.rw.counter.bad') < words.rindex(
        'Better than the stock kernel'
    )


CASES = [
    case(
        'nothing was run',
        {'empty': ''},
        'Nothing was run',
        *(f'not run: make {c}' for c in COMMANDS),
        'make run CONFIG=kcsan',
        '!failed 0',
        'Kept with the source',
    ),
    case(
        'a good run',
        GOOD,
        'Nothing that was run has failed',
        '2 passed, 1 skipped, 0 failed',
        'only on Sundays',
        'one ×2',
        'make run pass 2',
        '!not run: make run ',
        'not run: make stock',
        '!older than',
    ),
    case(
        'a test that fails',
        run(
            'run',
            tap('rw', '# rw_test.c:7:Expected 1 == 2', 'not ok 1 rw.counter.bad', 'ok 2 rw.counter.good'),
            passed=1,
            failed=1,
            status=1,
        ),
        '1 thing failed',
        'rw_test.c:7:Expected 1 == 2',
        'make retest TEST=rw.rw.counter.bad',
        'make run FAIL',
        first,
    ),
    case(
        'failures of another kernel and machine',
        {**GOOD, **run('run-debug-arm64', tap('rw', 'not ok 1 rw.counter.bad'), failed=1, status=1)},
        '1 thing failed',
        'make retest CONFIG=debug ARCH=arm64 TEST=rw.rw.counter.bad',
        first,
    ),
    case(
        'runs of another kernel',
        {
            **GOOD,
            **run('run-6.1', tap('rw', 'not ok 1 rw.counter.bad'), failed=1, status=1),
            **run('run-stock-6.1-debug', tap('rw', 'ok 1 rw.x.y'), passed=1, knobs='BASE=6.1 CONFIG=debug SERIES=none'),
        },
        '1 thing failed',
        'make retest BASE=6.1 TEST=rw.rw.counter.bad',
        'make stock BASE=6.1 CONFIG=debug pass 1',
        'series, 6.1',
        'make run pass 2',
        first,
    ),
    case(
        'a run of a tree of somebody\'s',
        run('run', tap('rw', 'ok 1 rw.x.y'), passed=1, knobs='KDIR=/src/linux UPTO=4'),
        'make run KDIR=/src/linux UPTO=4 pass 1',
        'not run: make run ',
    ),
    case(
        'names that are HTML',
        {
            **run(
                'run',
                tap('rw', f'# {EVIL}', f'not ok 1 {EVIL}', f'ok 2 x.y.z # SKIP {EVIL}'),
                failed=1,
                skipped=1,
                status=1,
                cmdline=f'eventfd.test={EVIL.replace(chr(39), "")}',
            ),
            'clients/table.tsv': f'client\tversion\n{EVIL}\tfail\n',
            'run/console.log': EVIL,
            'consumers/table': f'| suite | consumer | scenes | stock | series |\n| {EVIL} | {EVIL} | 1 | 1 pass | 1 pass |\n',
            'consumers/differences': EVIL,
        },
        '<script>alert(1)</script>',
        '3 things failed',
    ),
    case(
        'a kernel that complains',
        run(
            'run',
            tap('rw', 'ok 1 rw.x.y'),
            passed=1,
            splats=1,
            status=1,
            console='[ 1.0] fine\n[ 2.0] WARNING: at <here>\n[ 2.1] more\n',
        ),
        '1 thing failed',
        'a complaint of the kernel',
        'WARNING: at <here>',
        '!1.0] fine',
    ),
    case(
        'a guest that dies',
        run('run', tap('rw', 'ok 1 rw.x.y'), passed=1, status=255, console='the end\n'),
        '1 thing failed',
        'the guest died',
        'the end',
    ),
    case(
        'no verdict yet',
        {'run/results.tap': tap('rw', 'ok 1 rw.x.y')},
        'no verdict yet',
        'Nothing that was run has failed',
    ),
    case(
        'a summary that does not say what the results say',
        run('run', tap('rw', 'ok 1 rw.x.y'), passed=1, failed=2, status=1),
        'its summary counts 2 failures, its results have 0',
    ),
    case(
        'some tests only',
        run('run', tap('rw', 'ok 1 rw.x.y'), passed=1, cmdline="-append 'eventfd.test=rw.* x'"),
        'TEST=rw.* only',
        'only TEST=rw.*',
    ),
    case(
        'what the stock kernel must fail',
        run('run-stock', tap('beyond', f'not ok 1 {MUST[7:]}'), beyond=1),
        'Nothing that was run has failed',
        '1 fail as they should',
        'make stock pass',
    ),
    case(
        'what it must fail, and passes',
        run('run-stock', tap('beyond', f'ok 1 {MUST[7:]}'), failed=1, status=1),
        '1 thing failed',
        'this kernel must fail it',
    ),
    case(
        'what it must fail, and skips',
        {
            **run(
                'run-stock',
                tap('beyond', f'ok 1 {MUST[7:]} # SKIP no', 'ok 2 x.y.z # SKIP no'),
                failed=1,
                skipped=1,
                status=1,
            ),
            'run-stock.beyond': f'{MUST} A\nbeyond.x.y.z A may-skip\n',
        },
        '1 thing failed',
        'it skips itself, but this kernel must fail it: A',
    ),
    case(
        'results of other patches',
        GOOD,
        'run/summary.json older than ',
        'make run older than ',
        old=[f for f in GOOD if 'summary' in f],
    ),
]

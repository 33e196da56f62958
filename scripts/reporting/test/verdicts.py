# SPDX-License-Identifier: GPL-2.0
"""What is told patch by patch, or part by part."""
from .made_up import case

CASES = [
    case(
        'patch by patch',
        {
            'bisect/0001.passed': '',
            'bisect/0001.diff': '',
            'bisect/0002.passed': 'a\n',
            'bisect/0002.diff': '< a.b.c\n',
        },
        '1 thing failed',
        'make bisect UPTO=2',
        '< a.b.c',
    ),
    case(
        'make test',
        {
            'test/table': 'check           10       1       0      37 s\nreadme       54321       0       0    before\n',
            'test/check.out': 'ok 1 - x\n# no good\nnot ok 2 - spelling\n',
            'test/harness.out': 'ok 1 x\nnot ok 2 boots\n#   status 1\n# of another\n',
        },
        'check: spelling',
        'no good',
        'harness: boots',
        'status 1',
        '2 things failed',
        '54,321',
        'before',
    ),
    case(
        'make full',
        {
            'full/table': 'test            pass      12 s  PASS 12 tests\nmodel           FAIL       1 s  not all of it\n'
        },
        'PASS 12 tests',
        'model: not all of it',
        '1 thing failed',
    ),
]

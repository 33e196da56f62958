# SPDX-License-Identifier: GPL-2.0
"""What searches for faults."""
from .made_up import case, summary

CASES = [
    case(
        'coverage',
        {
            'coverage/figures': 'lines 99.0 % (99 of 100), branches 90.0 % (9 of 10)\n',
            'coverage/missed': 'line     12  return x < y;\n             NO REASON in selftests/unreached\nbranch   20  if (a)   (2 of its branches)\n             it cannot be\n',
        },
        '99 of 100',
        '1 place of fs/eventfd.c not reached',
        'line 12: return x < y;',
        'if (a) it cannot be',
    ),
    case(
        'coverage, and reasons that do not fit',
        {
            'coverage/figures': 'lines 100.0 % (99 of 99), branches 97.0 % (97 of 100), 1 without a reason, 1 with a reason for nothing\n',
            'coverage/missed': 'branch   20  if (a)   (2 of its branches)\n             MORE BRANCHES than selftests/unreached has a reason for: 1\n'
            'NOT NEEDED in selftests/unreached, as it was reached: 1 of if (b)\n',
        },
        '1 place of fs/eventfd.c not reached',
        'branch 20: if (a)',
        '1 reason in selftests/unreached is not needed',
        '1 of if (b)',
    ),
    case(
        'planted faults',
        {
            'mutants/table': 'fault        killed  survived  equivalent does not build  untried\nby hand         100         1           2              0        3\n'
            'all             151         1           6              0      323\n',
            'mutants/report.tsv': 'survivor\tno-lock\n',
        },
        '99.3 %',
        '323 not tried yet',
        '1 planted fault that no test finds',
        'MUTANT=no-lock',
    ),
    case(
        'the model',
        {
            'model/counter/log': 'State-vector 1, depth reached 128, errors: 0\n  1387870 states, stored\n',
            'model/TORN/log': 'depth reached 9, errors: 1\n 77 states, stored\n',
            'model/TORN/story': 'BROKEN: lost wakeup: poll for EPOLLIN sleeps\n',
            'model/HERD/log': 'depth reached 9, errors: 0\n 77 states, stored\n',
        },
        '1,387,870',
        'TORN 77 9 ok lost wakeup',
        'HERD: not found',
        '1 thing failed',
        'semaphore not run',
    ),
    case(
        'random sequences',
        {
            'fuzz/stock.answers': 'seed 0 29 aa\nbeyond 1 4 x\nseed 1 31 bb\n',
            'fuzz/different': '17\n',
            'fuzz/used': '5\tA\top\tEINVAL\tdone\n',
        },
        '2 random sequences of 60 operations',
        'make diff-fuzz START=17 SEEDS=1',
    ),
    case(
        'stress',
        {
            'stress/table': 'vCPUs   seconds    operations   lost  million/s\n    1       9.0         12345      0      0.001\n  all       9.0         12345      3      0.001\n'
        },
        '12,345',
        'operations lost: 3',
    ),
    case(
        'random calls',
        {'trinity/run/summary.json': summary(passed=3), 'trinity/run/results.tap': '    # 23596 calls in 2 rounds\n'},
        '23596 calls in 2 rounds',
        'Nothing that',
        old=(),
    ),
]

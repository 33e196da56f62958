# SPDX-License-Identifier: GPL-2.0
"""Other machines and kernels, and who uses eventfds inside them."""
from .made_up import case

CASES = [
    case(
        'consumers',
        {
            'consumers/table': '| suite | consumer | scenes | stock | series |\n|---|---|--:|---|---|\n| kvm | KVM | 12345 | 1 pass | 2 pass |\n',
            'consumers/differences': 'stock: pass, series: fail: kvm.x\n',
        },
        '12,345',
        '1 thing failed',
        'series: fail: kvm.x',
    ),
    case(
        'architectures',
        {
            'arches/table': '| architecture | bits | endian | build, s | passed | fails as it must | failed | skipped | tests, s |\n|---|--:|---|--:|--:|--:|--:|--:|--:|\n'
            '| arm64 | 64 | little | 5 | 1700 | 0 | 0 | 3 | 50.5 |\n| s390x | 64 | big | 5 | 0 | 0 | 0 | 0 | 300.0 |\n'
        },
        '1,700',
        '1 thing failed',
        's390x: no test has passed',
    ),
    case(
        'architectures, interrupted',
        {'arches/arm.row': 'arm\t32\tlittle\t4\t1780\t0\t1\t65\t143.2\n', 'arches/i386.row': 'i386\t32\tlittle\t9\t\n'},
        'Interrupted',
        '2 things failed',
        '1,780',
    ),
    case(
        'other kernels',
        {
            'bases/table': '| kernel | build, s | passed | fails as it must | failed | skipped | tests, s |\n|---|--:|--:|--:|--:|--:|--:|\n'
            '| 6.1.9-stock | 9 | 1640 | 85 | 0 | 3 | 50.5 |\n| 6.1.9-eventfd | 9 | 1790 | 0 | 2 | 3 | 50.5 |\n'
            '| 7.9, not at hand | - | - | - | - | - | - |\n'
        },
        '1,640',
        '1 thing failed',
        '7.9, not at hand',
    ),
]

# SPDX-License-Identifier: GPL-2.0
"""What scripts/report-read has found; read from stdin when this is imported, once."""
import collections
import json
import sys

D = json.load(sys.stdin)
RUNS = D['runs']


def of(side, config='base', arch='x86_64'):
    wanted = (side, '', config, arch)
    return next((r for r in RUNS if (r['side'], r['kernel'], r['config'], r['arch']) == wanted), None)


def count(suites):
    return collections.Counter(r[1] for results in suites.values() for r in results)


def older(result):
    """Says so if it is from before the last change of what it is about."""
    last = D['newest_test'] if 'suites' in result else D['newest']
    return f'older than {last["file"]}' if last and result['when'] < last['when'] and not result.get('kept') else ''

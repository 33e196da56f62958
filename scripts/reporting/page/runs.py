# SPDX-License-Identifier: GPL-2.0
"""The sections of the runs: test by test, and kernel by kernel."""
import collections
import os

from .found import D, RUNS, count, older
from .markup import SHORT, Raw, e, many, stamp, state, table


def cell(results):
    """How a suite went: the tests that passed, and what else there was."""
    if results is None:
        return ''
    n = collections.Counter(r[1] for r in results)
    more = [f'<small class=bad>{n["fail"]} failed</small>'] if n['fail'] else []
    more += [f'<small>{n["beyond"]} fail as they should</small>'] if n['beyond'] else []
    more += [f'<small>{n["skip"]} skipped</small>'] if n['skip'] else []
    return Raw(f'{n["pass"]:,}{"".join(more)}')


def label(run):
    side = {'series': 'series', 'stock': 'stock', 'upto': 'part of the series'}[run['side']]
    what = side if run['config'] == 'base' else f'{run["config"]}' + (' on stock' if run['side'] == 'stock' else '')
    return what + (f', {os.path.basename(run["kernel"])}' if run['kernel'] else '')


def tests(main):
    consumer = ('consumers', 'consumers+debug')
    wide = [r for r in RUNS if r['arch'] == 'x86_64' and not r['only'] and r['summary'] and r['side'] != 'upto']
    wide = [r for r in wide if r['config'] not in consumer]
    wide.sort(key=lambda r: (r is not main, r['kernel'], r['side'] != 'stock', r['config']))
    names = sorted({s for r in wide for s in r['suites']})
    rows = [
        [
            Raw(f'<span class=mono>{e(s)}</span>'),
            *[cell(r['suites'].get(s)) for r in wide],
            D['titles'].get(s, {'kunit': 'Inside the kernel: KUnit'}.get(s, '')),
        ]
        for s in names
    ]
    rows.append(['all', *[cell([x for results in r['suites'].values() for x in results]) for r in wide], ''])
    out = ''
    if main['only']:
        out += f'<p class=odd>Some of the tests only: <code>TEST={e(main["only"])}</code></p>'
    if wide:
        out += table(
            'Tests that passed, by suite and kernel',
            ['suite', *[label(r) for r in wide], 'of what'],
            rows,
            'h' + 'n' * len(wide) + 'w',
        )
    why = collections.Counter(
        (x[2] or 'no reason given', s) for s, results in main['suites'].items() for x in results if x[1] == 'skip'
    )
    reasons = collections.defaultdict(dict)
    for (reason, suite), n in why.items():
        reasons[reason][suite] = n
    if reasons:
        out += table(
            'Why tests of the series were skipped',
            ['reason', 'tests', 'suites'],
            [
                [r, f'{sum(s.values())}', ', '.join(sorted(s))]
                for r, s in sorted(reasons.items(), key=lambda x: -sum(x[1].values()))
            ],
            'wnt',
        )
    out += '<h3>Each test, by suite</h3>\n<p class=soft>A test that has variants (counter or semaphore, blocking or not) stands here once.</p>\n'
    for suite, results in sorted(main['suites'].items()):
        by_name = collections.OrderedDict()
        for test, outcome, _ in results:
            p = (test or suite).split('.')
            by_name.setdefault((p[0] if len(p) > 2 else '', p[-1]), []).append(outcome)
        n = collections.Counter(r[1] for r in results)
        head = f'{many(n["pass"], "test")} passed' + (f', {n["skip"]} skipped' if n['skip'] else '')
        head += f', <span class=bad>{n["fail"]} failed</span>' if n['fail'] else ''
        out += f'<details><summary><strong class=mono>{e(suite)}</strong> <span class=soft>{head}</span></summary><ul class=tests>'
        for (fixture, test), outcomes in by_name.items():
            o = 'fail' if 'fail' in outcomes else 'pass' if 'pass' in outcomes else outcomes[0]
            mark, kind = {
                'pass': ('✓', 'good'),
                'fail': ('✗', 'bad'),
                'skip': ('–', 'soft'),
                'beyond': ('✓', 'good'),
            }[o]
            times = f' <span class=soft>×{len(outcomes)}</span>' if len(outcomes) > 1 else ''
            told = {'pass': 'passed', 'fail': 'failed', 'skip': 'skipped', 'beyond': 'failed as it should'}[o]
            of_fixture = f'<span class=soft>{e(fixture)}:</span> ' if fixture not in ('', 'global', suite) else ''
            out += f'<li><span class="mark {kind}" role=img aria-label="{told}">{mark}</span>{of_fixture}{e(test.replace("_", " "))}{times}</li>'
        out += '</ul></details>\n'
    return out


def kernels(_):
    rows = []
    for r in sorted(RUNS, key=lambda r: (r['arch'] != 'x86_64', r['kernel'], r['side'] != 'series', r['arch'], r['config'])):
        n, s = count(r['suites']), r['summary']
        notes = ([f'only TEST={r["only"]}'] if r['only'] else []) + ([older(r)] if older(r) else [])
        if not s:
            verdict = 'no verdict yet'
        elif s['exit_status'] == 0 and not n['fail']:
            verdict = state('pass')
        else:
            verdict = {2: 'no such test', 4: 'all skipped'}.get(s['exit_status'], state('FAIL'))
        small = ''.join(f'<small>{e(x)}</small>' for x in notes)
        rows.append(
            [
                Raw(f'<code>{e(r["command"])}</code>{small}'),
                verdict,
                f'{n["pass"]:,}',
                n['beyond'] or '',
                n['skip'] or '',
                Raw(f'<span class=bad>{n["fail"]}</span>') if n['fail'] else 0,
                s.get('splats', ''),
                s.get('seconds', ''),
                stamp(r['when'], SHORT),
            ]
        )
    return table(
        'Runs of the tests, the last of each kind of kernel',
        [
            'command',
            'verdict',
            'passed',
            Raw('failed as<br>they should'),
            'skipped',
            'failed',
            'splats',
            'seconds',
            'when, UTC',
        ],
        rows,
        'htnnnnnnm',
    )

# SPDX-License-Identifier: GPL-2.0
"""The runs of the tests, each with its suites, its summary and its console."""
import glob
import json
import os
import re

from .files import OUT, TOP, part, read
from .series import beyond_stock

RESULT = re.compile(r'    (not )?ok (\d+)(?: -)? ?([^#]*?)\s*(?:# *(.*))?$')


def tap(text, beyond):
    """Suites of a run, each with its results: [test, outcome, letter or reason or what it said]."""
    suites, name, said, results = {}, '?', [], []
    for line in text.splitlines():
        if line.startswith('    # Subtest: '):
            name, said = line.split()[2], []
            results = suites.setdefault(name, [])
        elif re.match(r'(not )?ok \d+', line):
            good, _, rest = re.match(r'(not )?ok (\d+)(?: -)? ?(.*)', line).groups()
            own, _, why = (s.strip() for s in rest.partition('#'))
            if name == '?':
                results = suites.setdefault(own or '?', [])
            if good and not re.match('SKIP', why, re.I) and not any(r[1] in ('fail', 'beyond') for r in results):
                results.append(['', 'fail', '\n'.join(said + [line])])
            elif not results and re.match('SKIP', why, re.I):
                results.append(['', 'skip', why[4:].strip(' :')])
            name, said = '?', []
        elif match := RESULT.match(line):
            bad, _, test, why = match.groups()
            why = why or ''
            letter, may_skip = beyond.get(name + '.' + test, (None, True))
            if re.match('SKIP', why, re.I) or (bad and re.match('TODO', why, re.I)):
                if may_skip:
                    results.append([test, 'skip', why[4:].strip(' :')])
                else:
                    more = [f'it skips itself, but this kernel must fail it: {letter}']
                    results.append([test, 'fail', '\n'.join(said + more + [line.strip()])])
            elif bad and letter:
                results.append([test, 'beyond', letter])
            elif bad or letter:
                more = [f'it passes, but this kernel must fail it: {letter}'] if not bad else []
                results.append([test, 'fail', '\n'.join(said + more + [line.strip()])])
            else:
                results.append([test, 'pass', ''])
            said = []
        elif line.startswith('    #  RUN '):
            said = []
        elif line.strip() and not re.match(r' *(KTAP|TAP|1\.\.)', line) and len(said) < 40:
            said.append(line.strip())
    return suites


def splat(console):
    """The first complaint of the kernel, and what follows."""
    patterns = [p for p in read(TOP, 'scripts/splats').splitlines() if p and p[0] != '#']
    lines = [x for x in console.splitlines() if 'ernel command line: ' not in x]
    for i, line in enumerate(lines):
        if any(re.search(p, line) for p in patterns):
            return '\n'.join(lines[i : i + 16])
    return ''


def told(name, summary):
    """The knobs of a run: by its summary, or of one that has come to none, by its name,
    run[-stock|-upto][-BASE][-CONFIG][-ARCH]."""
    if 'knobs' in summary:
        return dict(word.split('=', 1) for word in summary['knobs'].split())
    words, knobs = name.split('-')[1:], {}
    if words and words[0] in ('stock', 'upto'):
        knobs.update({'stock': {'SERIES': 'none'}, 'upto': {'UPTO': 'n'}}[words.pop(0)])
    if words and re.fullmatch(r'\d+\.\d+', words[0]):
        knobs['BASE'] = words.pop(0)
    if words and words[-1] in (os.path.basename(a) for a in glob.glob(TOP + '/scripts/arch/*')):
        knobs['ARCH'] = words.pop()
    return {**knobs, 'CONFIG': '-'.join(words) or 'base'}


def run(name):
    """The run that is in O/NAME"""
    summary, file = {}, os.path.join(name, 'summary.json')
    try:
        summary = json.loads(read(OUT, file))
    except ValueError:
        file = os.path.join(name, 'results.tap')
    knobs = told(name, summary)
    side = 'stock' if knobs.pop('SERIES', 'all') == 'none' else 'upto' if 'UPTO' in knobs else 'series'
    config, arch = knobs.pop('CONFIG', 'base'), knobs.pop('ARCH', 'x86_64')
    if any(not os.path.exists(f'{TOP}/kernel-config/{f}.config') for f in config.split('+')):
        return None  # a script's own, or a configuration that there is no more
    only = re.search(r"eventfd\.test=([^ ']+)", read(OUT, name, 'cmdline'))
    bits = re.search(r'^bits=(\d+)', read(TOP, 'scripts/arch', arch), re.M)
    command = 'make stock' if side == 'stock' else 'make run'
    command += ''.join(f' {knob}={value}' for knob, value in sorted(knobs.items()))
    command += f' CONFIG={config}' if config != 'base' else ''
    command += f' ARCH={arch}' if arch != 'x86_64' else ''
    wrong = {}
    if side == 'stock':
        # the list that it was held against, or all of it
        held = read(OUT, name + '.beyond')
        must = beyond_stock(held or read(TOP, 'selftests/beyond-stock'))
        wrong = {
            test: (letter, may_skip or not held)
            for test, (letter, narrow, may_skip) in must.items()
            if not narrow or (bits and bits.group(1) == '32')
        }
    suites = tap(read(OUT, name, 'results.tap'), wrong)
    splats = splat(read(OUT, name, 'console.log')) if summary.get('splats') else ''
    return part(
        command,
        file,
        side=side,
        kernel=knobs.get('KDIR') or knobs.get('BASE', ''),
        config=config,
        arch=arch,
        suites=suites,
        summary=summary,
        only=only.group(1) if only else '',
        splat=splats,
        last='\n'.join(read(OUT, name, 'console.log').splitlines()[-12:]) if summary.get('exit_status') else '',
    )


def runs():
    names = (
        os.path.basename(d)
        for d in sorted(glob.glob(OUT + '/run') + glob.glob(OUT + '/run-*'))
        if os.path.isdir(d) and not d.endswith('-list') and os.path.exists(d + '/results.tap')
    )
    return [r for r in map(run, names) if r]

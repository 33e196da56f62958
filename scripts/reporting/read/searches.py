# SPDX-License-Identifier: GPL-2.0
"""What searches for faults: coverage, planted faults, the model, random and many operations."""
import glob
import json
import os
import re
import subprocess

from .files import OUT, TOP, part, read, table, text_rows, when


def coverage():
    figures = re.match(
        r'lines ([\d.]+) % \((\d+) of (\d+)\), branches ([\d.]+) % \((\d+) of (\d+)\)', read(OUT, 'coverage/figures')
    )
    if not figures:
        return None
    missed = re.findall(r'^(line|branch) +(\d+)  (.*)\n {8,}(.*)$', read(OUT, 'coverage/missed'), re.M)
    return part(
        'make coverage',
        'coverage',
        'figures',
        figures=list(figures.groups()),
        missed=[[k, n, re.sub(r' {3}\(\d+ of its branches\)$', '', t), why] for k, n, t, why in missed],
        stale=re.findall(r'^NOT NEEDED .*?: (.*)$', read(OUT, 'coverage/missed'), re.M),
    )


def mutants():
    found = text_rows(
        'make mutants',
        ['fault', 'killed', 'survived', 'nobody could notice', 'does not build', 'untried'],
        r'^([a-z][a-z ]*?) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$',
        'mutants',
        'table',
    )
    if found:
        found['survivors'] = re.findall(r'^survivor\t(.*)$', read(OUT, 'mutants/report.tsv'), re.M)
    return found


def model():
    rows, last = [], ''
    try:
        names = subprocess.run([TOP + '/scripts/model', '--list'], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    for line in names.splitlines():
        name = line.split()[0]
        log, story = read(OUT, 'model', name, 'log'), read(OUT, 'model', name, 'story')
        states, depth = (re.search(p, log, re.M) for p in (r'^ *(\d+) states, stored', r'depth reached (\d+),'))
        if not states:
            rows.append([name, '', '', 'not run', ''])
            continue
        last = max(last, os.path.join('model', name, 'log'), key=lambda f: when(OUT, f) if f else 0)
        broken = re.search(r'^BROKEN: (.*)', story, re.M)
        broken = broken.group(1) if broken else ''
        if name.isupper():
            # the line of a fault ends with how the rule begins that is to find it
            good = any(line.endswith(' ' + broken[:n]) for n in range(4, len(broken) + 1))
            text = broken or 'not found'
        else:
            good = (
                not story
                and re.search('errors: 0$', log, re.M)
                and not re.search('not completed|too small|memlim|out of memory|truncated', log, re.I)
            )
            text = 'all rules hold' if good else broken or 'not all of it was searched'
        rows.append([name, states.group(1), depth.group(1) if depth else '', 'ok' if good else 'FAIL', text])
    return part('make model', last, rows=rows) if last else None


def fuzz():
    answers = read(OUT, 'fuzz/stock.answers')
    seeds = re.findall(r'^seed \d+ (\d+)', answers, re.M)
    if not seeds:
        return None
    return part(
        'make diff-fuzz',
        'fuzz',
        'stock.answers',
        seeds=len(seeds),
        operations=sum(map(int, seeds)),
        different=read(OUT, 'fuzz/different').split(),
        rules=[x.split('\t') for x in read(OUT, 'fuzz/used').splitlines()],
    )


def trinity():
    calls = re.search(r'^    # (\d+ calls in .*)$', read(OUT, 'trinity/run/results.tap'), re.M)
    try:
        summary = json.loads(read(OUT, 'trinity/run/summary.json'))
    except ValueError:
        return None
    return part(
        'make trinity', 'trinity', 'run', 'summary.json', calls=calls.group(1) if calls else '', summary=summary
    )


def stress():
    found = table('make stress', 'stress', 'table')
    if found:
        ended = {}
        for f in glob.glob(OUT + '/stress/*/summary.json'):
            match = re.search(r'"exit_status": (\d+)', read(f))
            ended[f.split('/')[-2]] = match and int(match.group(1))
        found['failed'] = sorted(n for n, status in ended.items() if status)
    return found

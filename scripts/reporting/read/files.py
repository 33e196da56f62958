# SPDX-License-Identifier: GPL-2.0
"""What is in a file, in a table that a script has printed, in git; and how a result is told."""
import glob
import os
import re
import subprocess
import sys

# what report-read was told
TOP, OUT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def read(*path):
    try:
        with open(os.path.join(*path), encoding='utf-8', errors='replace') as f:
            return f.read().replace('\r', '').replace('\0', '')
    except OSError:
        return ''


def when(*path):
    try:
        return int(os.stat(os.path.join(*path)).st_mtime)
    except OSError:
        return 0


def number(text):
    return int(text) if re.fullmatch(r'\d+', text) else 0


def git(*words):
    try:
        return subprocess.run(['git', '-C', TOP, *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ''


def newest(*patterns):
    """The file that was changed last, and when."""
    files = [f for p in patterns for f in glob.glob(os.path.join(TOP, p))]
    last = max(files, key=when, default=None)
    return {'file': os.path.relpath(last, TOP), 'when': when(last)} if last else None


def part(command, *path, **what):
    """A result: the command that leaves it, the file, and when that was written."""
    return {'command': command, 'file': os.path.join(*path), 'when': when(OUT, *path), **what}


def table(command, *path):
    """A table that a script has printed: first the heading, then the rows."""
    text = read(OUT, *path)
    if not text.strip():
        return None
    lines = [x for x in text.splitlines() if x.strip()]
    if lines[0].startswith('|'):
        rows = [
            [c.strip() for c in re.split(r'(?<!\\)\|', x)[1:-1]]
            for x in lines
            if x.startswith('|') and not re.match(r'\|[-:| ]+$', x)
        ]
    elif '\t' in lines[0]:
        rows = [x.split('\t') for x in lines]
    else:
        rows = [re.split(r'\s{2,}', x.strip()) for x in lines]
    return part(command, *path, rows=rows)


def text_rows(command, heading, pattern, *path):
    """Lines that match, their groups."""
    rows = [list(m) for m in re.findall(pattern, read(OUT, *path), re.M)]
    return part(command, *path, rows=[heading, *rows]) if rows else None

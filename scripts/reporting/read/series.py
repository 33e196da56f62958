# SPDX-License-Identifier: GPL-2.0
"""What the source says of itself: the patches, what stock must fail, the suites."""
import glob
import os
import re

from .files import OUT, TOP, read, when


def patches():
    rows = []
    for line in read(TOP, 'patches/series').splitlines():
        name = line.split('#')[0].strip()
        if not name:
            continue
        patch = read(TOP, 'patches', name)
        subject = re.search(r'^Subject: (?:\[PATCH[^]]*\] )?(.*)$', patch, re.M)
        row = {
            'number': name[:4],
            'subject': subject.group(1) if subject else name,
            'claims': len(read(TOP, 'patches/expected', name[:4] + '.txt').split()),
        }
        passed, diff = (os.path.join(OUT, 'bisect', name[:4] + end) for end in ('.passed', '.diff'))
        if os.path.exists(passed):
            row.update(
                passed=len(read(passed).split()),
                when=when(passed),
                differ=read(diff).splitlines() if os.path.exists(diff) else ['interrupted'],
            )
        rows.append(row)
    return rows


def beyond_stock(text):
    """What the stock kernel must fail, by a list of it: test, letter, whether on 32 bits only, and whether it may be skipped."""
    rows = {}
    for line in text.splitlines():
        words = line.split('#')[0].split()
        if len(words) in (2, 3):
            rows[words[0]] = (words[1], '32 bits only' in line, 'may-skip' in words)
    return rows


def differences():
    """The README's table: letter, the stock kernel, ours."""
    return [
        dict(zip(('letter', 'stock', 'series'), m))
        for m in re.findall(r'^\| ([A-Z]) \| (.*?) \| (.*?) \|$', read(TOP, 'README.md'), re.M)
    ]


def titles():
    """Suite: what it is of, the first sentence of its source."""
    found = {}
    for f in glob.glob(TOP + '/selftests/*_test.c') + glob.glob(TOP + '/selftests/consumers/*_test.c'):
        comment = re.search(r'/\*(.*?)\*/', read(f).split('#include')[0], re.S)
        if comment:
            text = re.sub(r'\s*\n\s*\*?\s*', ' ', comment.group(1)).strip()
            found[os.path.basename(f)[: -len('_test.c')]] = re.split(r'[.:](?: |$)', text)[0]
    return found

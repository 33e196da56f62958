# SPDX-License-Identifier: GPL-2.0
"""The sections of other machines, and of those who use eventfds inside the kernel."""
from .markup import many, plain


def arches(found):
    text = '<p class=odd>Interrupted: these are the rows so far.</p>' if found.get('unfinished') else ''
    return text + plain('The same tests on each architecture', 'hntnnnnnn')(found)


def consumers(found):
    text = plain('Those who use eventfds inside the kernel, the same scenes on both kernels', 'hwnmm')(found)
    n = len(found['differ'])
    return text + (
        f'<p class=bad>{many(n, "result")} on stock and on the series that differ without a reason.</p>\n'
        if n
        else '<p>Each scene ends the same way on both, or has its reason.</p>\n'
    )

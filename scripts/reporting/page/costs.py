# SPDX-License-Identifier: GPL-2.0
"""The section of the costs: a table, and the plots."""
import re

from .markup import Raw, e, figure, plot, ratio, table

CAPTIONS = {
    'post': 'One post against the number of blocked readers, stock and series; the figures are in the table',
    'ratio': 'Cost with the series by cost of stock, case by case; the band is two percent',
}


def bench(found):
    rows, off = [r for r in found['rows'][1:] if not re.search('-(all|sleeps)(@off)?$', r[0])], {}
    for r in rows:
        if r[0].endswith('@off'):
            off[r[0][:-4]] = r
    out = []
    for name, unit, stock, series, by in (r for r in rows if '@' not in r[0]):
        more = off.get(name)
        out.append(
            [Raw(f'<span class=mono>{e(name)}</span>'), unit, figure(stock), figure(series), ratio(by)]
            + ([figure(more[2]), figure(more[3]), ratio(more[4])] if more else [''] * 3 if off else [])
        )
    text = '<p class=soft>Kept with the source: there is no later complete run here.</p>' if found['kept'] else ''
    text += '<p>Instructions of the guest for one operation, in an emulator that counts them; what is 1.000 costs the same.</p>'
    for name, svg in found['plots'].items():
        if name == 'post':
            text += (
                f'<figure><div class=scroll role=region tabindex=0 aria-labelledby={name}-caption>{plot(name, svg)}</div>'
                f'<figcaption id={name}-caption>{e(CAPTIONS[name])}</figcaption></figure>\n'
            )
    head = ['case', 'unit', 'stock', 'series', 'series by stock']
    head += ['stock, no mitigations', 'series', 'series by stock'] if off else []
    text += table('The stock kernel and the series, case by case', head, out, 'htnnrnnr')
    if 'ratio' in found['plots']:
        text += (
            '<details><summary>The same as a plot</summary><figure>'
            f'<div class=scroll role=region tabindex=0 aria-labelledby=ratio-caption>{plot("ratio", found["plots"]["ratio"])}</div>'
            f'<figcaption id=ratio-caption>{e(CAPTIONS["ratio"])}</figcaption></figure></details>\n'
        )
    return text

# SPDX-License-Identifier: GPL-2.0
"""What the page is written with: text, tables, bars, plots. What is not Raw is escaped."""
import html
import re
import time

SHORT = '%-d %b, %H:%M'


class Raw(str):
    """Text that is HTML already."""


def e(text):
    return text if isinstance(text, Raw) else html.escape(str(text))


def code(text):
    """Text in which `words` are code."""
    return Raw(re.sub('`([^`]*)`', r'<code>\1</code>', html.escape(text)))


def many(n, what, plural=None):
    return f'{n:,} {what if n == 1 else plural or what + "s"}'


def slug(text):
    return re.sub('[^a-z0-9]+', '-', text.lower()).strip('-')


def figure(text):
    """1234.5 as 1,234; small ones with a digit."""
    x = float(text)
    return f'{x:,.1f}' if x < 100 else f'{x:,.0f}'


def table(caption, head, rows, kinds):
    """kinds has a letter for each column: h its name, n a number, t text, w text that wants room,
    m what is not to be broken, r a ratio. A row that begins with `all` is the sum."""
    css = {'h': ' class=pin', 'n': ' class=num', 't': '', 'w': ' class=wide', 'm': ' class=one', 'r': ' class=ratio'}
    kinds = kinds.ljust(len(head), 't')
    full = ' full' if 'w' in kinds else ''
    out = [
        f'<div class="scroll{full}" role=region tabindex=0 aria-label="{e(re.sub("<.*?>", "", caption))}"><table>',
        f'<caption><span>{e(caption)}</span></caption><thead><tr>',
    ]
    out += [f'<th scope=col{css[k]}>{e(h)}</th>' for h, k in zip(head, kinds)]
    out.append('</tr></thead><tbody>')
    for row in rows:
        out.append('<tr class=sum>' if row[0] == 'all' else '<tr>')
        out += [
            f'<th scope=row class=pin>{e(c)}</th>' if k == 'h' else f'<td{css[k]}>{e(c)}</td>'
            for c, k in zip(row, kinds)
        ]
        out.append('</tr>')
    return ''.join(out) + '</tbody></table></div>\n'


def state(text):
    """A word with a color, which says nothing that the word does not."""
    kind = {'pass': 'good', 'ok': 'good', 'before': 'good', 'fail': 'bad'}.get(str(text).lower(), '')
    return Raw(f'<span class={kind}>{e(text)}</span>') if kind else text


def plain(caption, kinds):
    """A table as it was printed; its words about results in color, its numbers so that they can be read."""

    def cells(row):
        return [
            f'{int(c):,}' if k == 'n' and c.isdigit() else state(c) for c, k in zip(row, kinds.ljust(len(row), 't'))
        ]

    return lambda found: table(caption, found['rows'][0], [cells(r) for r in found['rows'][1:]], kinds)


def bar(parts):
    """parts: name, how many, which color."""
    total = sum(n for _, n, _ in parts) or 1
    shares = ''.join(f'<i class={k} style="width:{100 * n / total:.2f}%"></i>' for _, n, k in parts if n)
    names = ''.join(f'<li><i class={k}></i>{n:,} {e(name)}</li>' for name, n, k in parts if n)
    return f'<div class=bar aria-hidden=true>{shares}</div><ul class=key>{names}</ul>\n'


def stamp(seconds, how='%-d %b %Y, %H:%M UTC'):
    t = time.gmtime(seconds)
    return Raw(f'<time datetime="{time.strftime("%Y-%m-%dT%H:%MZ", t)}">{time.strftime(how, t)}</time>')


def ratio(text):
    x = float(text)
    return Raw(
        f'<span>{x:.3f}</span> <i{" class=over" if x > 1.02 else ""} style="width:{min(x, 1.25) * 5:.2f}rem"></i>'
    )


def plot(name, svg):
    """gnuplot's picture inside the page: ids of its own, no name of gnuplot's, colors that follow the page's."""
    svg = re.sub(r'^.*?(?=<svg)', '', svg, flags=re.S)
    svg = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', '', svg).replace('xlink:href', 'href')
    svg = re.sub(r'''\bid=(["'])(.*?)\1''', rf'id=\1{name}-\2\1', svg)
    svg = re.sub(r'''href=(["'])#''', rf'href=\1#{name}-', svg).replace('url(#', f'url(#{name}-')
    svg = re.sub(r'<title>.*?</title>\s*<desc>.*?</desc>', '', svg, flags=re.S)
    svg = re.sub(r'<filter .*?</filter>', '', svg, flags=re.S)
    for color, ours in {'128, *128, *128': 'plot', '217, *95, *2': 'stock', '42, *143, *216': 'series'}.items():
        svg = re.sub(rf'rgb\( *{color}\)', f'var(--{ours})', svg)
    return svg.replace('<svg', f'<svg role=img aria-labelledby={name}-caption', 1)

# SPDX-License-Identifier: GPL-2.0
"""What the page is put together from, as it comes in: sections, tiles, what failed, what was not run."""
from .found import D, older
from .markup import e, slug, stamp

SECTIONS, MISSING, PROBLEMS, TILES = [], [], [], []


def source(result):
    where = result['file'] if result.get('kept') else f'{D["out"]}/{result["file"]}'
    old = f'<span class=old>{e(older(result))}</span>' if older(result) else ''
    return (
        f'<p class=from><code>{e(result["command"])}</code><span>{stamp(result["when"])}</span>'
        f'<span class=mono>{e(where)}</span>{old}</p>\n'
    )


def section(title, command, result, body):
    """Of what was run: body is what makes it. Of what was not: how to."""
    if result:
        text = (source(result) if isinstance(result, dict) else '') + body(result)
    else:
        text = f'<p class=none>not run: <code>{e(command)}</code></p>\n'
        MISSING.append(command)
    name = slug(title)
    SECTIONS.append(
        (
            name,
            title,
            f'<section id={name} aria-labelledby={name}-h><h2 id={name}-h>{e(title)}</h2>\n{text}</section>\n',
        )
    )


def tile(name, big, more, where):
    TILES.append(
        f'<li><a href="#{slug(where)}"><span class=name>{e(name)}</span><span class=big>{e(big)}</span> '
        f'<span class=more>{e(more)}</span></a></li>\n'
    )


def problem(what, result, text='', again=''):
    PROBLEMS.append((what, result, text, again))

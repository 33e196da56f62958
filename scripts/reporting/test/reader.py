# SPDX-License-Identifier: GPL-2.0
"""Reads a page as a browser would, and notes what is wrong with it."""
import html.parser
import re

VOID = {'meta', 'link', 'br', 'img', 'input', 'hr', 'wbr'}
# of SVG, what may end itself
EMPTY = {'path', 'rect', 'circle', 'use', 'line', 'polygon', 'polyline', 'ellipse'}


class Page(html.parser.HTMLParser):
    """Reads a page and notes what is wrong with it."""

    def __init__(self, text):
        super().__init__()
        self.wrong, self.open, self.ids, self.links, self.tags, self.text = [], [], [], [], [], []
        self.cells, self.captions, self.headings = [], 0, []
        if not text.startswith('<!DOCTYPE html>'):
            self.wrong.append('no doctype')
        self.feed(text)
        self.close()
        self.wrong += [f'<{t}> is not closed' for t in self.open]
        self.wrong += [f'id {i} twice' for i in set(self.ids) if self.ids.count(i) > 1]
        self.wrong += [f'nothing has the id {x[1:]}' for x in self.links if x[0] == '#' and x[1:] not in self.ids]
        self.wrong += [f'h{b} after h{a}' for a, b in zip(self.headings, self.headings[1:]) if b > a + 1]
        if self.headings.count(1) != 1 or self.headings[0] != 1:
            self.wrong.append('not one h1')
        if self.captions != self.tags.count('table'):
            self.wrong.append('a table without a caption')
        self.words = ' '.join(''.join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            value = value or ''
            if name == 'id':
                self.ids.append(value)
            elif name in ('href', 'xlink:href', 'aria-labelledby'):
                self.links.append(value if 'href' in name else '#' + value)
            elif name in ('src', 'srcset', 'action', 'data', 'poster') or name.startswith('on') or 'url(' in value:
                self.wrong.append(f'{name}={value} in <{tag}>')
        if tag == 'table':
            self.cells = []
        elif tag == 'tr':
            self.cells.append(0)
        elif tag in ('td', 'th'):
            self.cells[-1] += 1
        elif tag == 'caption':
            self.captions += 1
        elif re.fullmatch('h[1-6]', tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.wrong.append(f'<{tag}/>')
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}> where it does not belong')
        if tag == 'table' and len(set(self.cells)) > 1:
            self.wrong.append(f'a table with rows of {sorted(set(self.cells))} cells')

    def handle_data(self, data):
        if not self.open or self.open[-1] != 'style':
            self.text.append(data + ' ')

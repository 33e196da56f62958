# SPDX-License-Identifier: GPL-2.0
"""The benchmark."""
from .made_up import case

SVG = (
    '<?xml version="1.0"?>\n<svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<title>Gnuplot</title>\n<desc>x</desc><g id="gnuplot_canvas"><defs><circle id=\'gpDot\' r=\'1\'/></defs>'
    '<use xlink:href=\'#gpDot\' stroke="rgb(217,  95,   2)"/><text fill="rgb(128,128,128)">readers</text></g></svg>\n'
)
BENCH = {
    'bench/results.tsv': 'case\tunit\tstock\tseries\tratio\nwrite\tinsn\t4321.5\t1234.25\t0.286\npost-8\tinsn\t900\t90\t0.1\n',
    'bench/post.svg': SVG.replace('readers', 'how many block'),
    'bench/ratio.svg': SVG,
}
CASES = [
    case(
        'costs',
        BENCH,
        '4,322',
        '1,234',
        '0.286',
        'instructions, 900 on stock',
        'readers',
        'how many block',
        'Not run: make stock',
        '!Kept with the source',
        '!Gnuplot',
    ),
]

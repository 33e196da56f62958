# SPDX-License-Identifier: GPL-2.0
"""What a run leaves, made up; and a case: what was left, and what the page has to say of it."""


def case(name, files, *rules, old=()):
    """rules: a text that has to be there, one with a ! that must not, or a function of the page. Those
    of files that are in old are from long ago."""
    return name, files, rules, old


def summary(passed=0, failed=0, beyond=0, skipped=0, status=0, splats=0, knobs=None):
    told = '' if knobs is None else f'"knobs": "{knobs}", '
    return (
        f'{{"passed": {passed}, "failed": {failed}, "skipped": {skipped}, "splats": {splats}, "beyond": {beyond}, '
        f'{told}"seconds": 7.5, "accel": "tcg", "kernel_release": "6.12.0-eventfd", "exit_status": {status}}}\n'
    )


def tap(suite, *lines):
    return (
        f'KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: {suite}\n    1..{len(lines)}\n'
        + ''.join('    ' + line + '\n' for line in lines)
        + f'ok 1 {suite}\n# eventfd-guest: end, all passed\n'
    )


def run(name, results, cmdline='-append x', console='', **counts):
    return {
        f'{name}/results.tap': results,
        f'{name}/summary.json': summary(**counts),
        f'{name}/cmdline': cmdline,
        f'{name}/console.log': console,
    }

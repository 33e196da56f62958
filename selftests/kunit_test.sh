#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The KUnit suite of eventfd, which the kernel has run at boot: what came of it, as a
# suite like the others.
results=/sys/kernel/debug/kunit/eventfd/results

[ "$1" != -l ] || exit 0
echo "TAP version 13"
if [ ! -r "$results" ] && grep -qw eventfd_test_room /proc/kallsyms; then
	echo "1..1"
	echo "not ok 1 this kernel has a KUnit suite of eventfd, but no results of it"
	exit 1
fi
if [ ! -r "$results" ]; then
	echo "1..0 # SKIP this kernel has no KUnit suite of eventfd"
	exit 4
fi
# its own level is the inner one; what a test has to say comes before its result
sed -n -e 's/^    \(1\.\.[0-9]\)/\1/p' -e 's/^    \(ok\) /\1 /p' -e 's/^    \(not ok\) /\1 /p' -e 's/^        *#* */# /p' "$results"
! grep -q '^    not ok' "$results"

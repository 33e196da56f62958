# SPDX-License-Identifier: GPL-2.0
# A console, as it is, but that the first line of a report of KCSAN that is not about us says so.
#
# The kernel has data races that are known, and not ours: a report of KCSAN counts if a
# function of fs/eventfd.c is in one of its stacks, or if it breaks off (with grows=1, where
# the rest is still to come, that one is left out). But for two: what an interrupt does is not
# done by whom it has interrupted, nor what a callback on a wait queue does, by who wakes.
function flush(	i) {
	if (!ours) sub(/BUG: KCSAN:/, "(known) KCSAN", line[1])
	for (i = 1; i <= n; i++) print line[i]
	n = 0
}
/BUG: KCSAN:/ { if (n) { ours = 1; flush() } ours = depth = other = 0; line[n = 1] = $0; next }
n {
	line[++n] = $0
	if (/ bytes by /) depth = other = 0
	if (/\+0x/) depth++
	if (/[] ](asm_sysvec_|asm_common_interrupt)/ || (depth > 1 && /[] ]__wake_up_common\+/)) other = 1
	if (!other && /[] ](eventfd|do_eventfd|__[a-z0-9]+_sys_eventfd)[a-z0-9_.]*\+0x/) ours = 1
	if (/====================$/) flush()
	next
}
{ print }
END { ours = 1; if (n && !grows) flush() }

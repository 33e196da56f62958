#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2016 # a recipe has a $1 of its own
# The recipes of docs/tracing.md for bpftrace and perf, in a guest that has both (CONFIG=bpf):
# each looks at samples of which is known what they do, and has to say so. scripts/readme sees
# to it that the recipes are those of the page, word for word. Shell, for busybox.
names='bpftrace.who bpftrace.from_where bpftrace.sleeps bpftrace.vain bpftrace.wrong_field perf.who perf.sleeps perf.vain'
samples=/samples modules=/modules tracing=/sys/kernel/tracing

who='tracepoint:eventfd:eventfd_write, tracepoint:eventfd:eventfd_signal /args->id == $1/ {
	@[probe, comm, pid] = count(); }'
from_where='tracepoint:eventfd:eventfd_signal /args->id == $1/ { @[kstack(6)] = count(); }'
sleeps='tracepoint:eventfd:eventfd_wait { @since[args->pid] = nsecs; }
	tracepoint:eventfd:eventfd_wake /@since[args->pid]/ {
		@us[args->comm] = hist((nsecs - @since[args->pid]) / 1000); delete(@since[args->pid]); }'
vain='tracepoint:eventfd:eventfd_read { @faster[args->ctx] = comm; }
	tracepoint:eventfd:eventfd_wait /args->kind == 1/ {
		@[args->comm, args->pid, @faster[args->ctx]] = count(); }
	END { clear(@faster); }'

# tell COMMAND...: what it says goes to /tmp/told
tell()
{
	timeout -s KILL 60 "$@" > /tmp/told 2>&1 || { echo "$1: status $?"; return 1; }
}

# says LINE: it is in /tmp/told, with any space between its words
says()
{
	awk -v line="$1" '{ $1 = $1 } $0 == line { found = 1 } END { exit !found }' /tmp/told ||
		{ echo "it does not say: $1"; return 1; }
}

# same WHAT IS SHOULD
same() { [ "$2" = "$3" ] || { echo "$1: $2, but it should be $3"; return 1; }; }

# waiter: a process with an eventfd, stopped, so that it stays; prints its pid and the id
waiter()
{
	local left=200 pid=''

	: > /tmp/waiter
	"$samples/efd_wait" > /tmp/waiter 2>&1 &
	while [ ! -s /tmp/waiter ] && [ "$left" -gt 0 ]; do
		usleep 20000
		left=$((left - 1))
	done
	read -r pid _ < /tmp/waiter
	pid=${pid#pid=}
	kill -STOP "$pid" && echo "$pid $(sed -n 's/^eventfd-id: *//p' "/proc/$pid/fdinfo/3")"
}

# two_waiters: sets pid and id, and other, the pid of one that is not looked at
two_waiters()
{
	waiter > /tmp/pid && read -r pid id < /tmp/pid && waiter > /tmp/pid && read -r other _ < /tmp/pid &&
		[ -n "$id" ] || { echo 'no eventfds with an id'; return 1; }
}

# poke PID OTHER: what a recipe looks at, and by way of sh, as bpftrace does not start scripts:
# a signal to the other process, then two to the first; who gives these goes to /tmp/pokes
poke()
{
	: > /tmp/pokes
	for pid in "$2" "$1" "$1"; do
		insmod "$modules/efd_poke.ko" "pid=$pid" efd=3 count=5 &
		wait $! || return
		[ "$pid" != "$1" ] || echo $! >> /tmp/pokes
		rmmod efd_poke || return
	done
}

# storm PID: the same, very many
storm()
{
	insmod "$modules/efd_storm.ko" "pid=$1" efd=3 period=5000 && sleep 1 &&
		echo 1 > /sys/module/efd_storm/parameters/stop
}

# sleepers COMMAND...: runs it, and leaves in /tmp/sleeps how often efd_vs_pipe went to sleep,
# as the trace has it
sleepers()
{
	local instance=$tracing/instances/eyes event=events/eventfd/eventfd_wait status=0

	mkdir "$instance" && echo 'comm == "efd_vs_pipe"' > "$instance/$event/filter" && echo 1 > "$instance/$event/enable" || return
	"$@" || status=1
	echo 0 > "$instance/$event/enable"
	grep -c ': eventfd_wait: ' "$instance/trace" > /tmp/sleeps || status=1
	rmdir "$instance"
	return "$status"
}

run_bpftrace_who()
{
	two_waiters && tell bpftrace -e "$who" -c "/bin/sh $0 --poke $pid $other" "$id" || return
	while read -r poke; do
		says "@[tracepoint:eventfd:eventfd_signal, insmod, $poke]: 1" || return
	done < /tmp/pokes
	same 'who was named' "$(grep -c '^@' /tmp/told)" 2
}

run_bpftrace_from_where()
{
	local place should

	two_waiters && tell bpftrace -e "$from_where" -c "/bin/sh $0 --storm $pid" "$id" || return
	for place in hard:interrupt soft:softirq thread:thread; do
		read -r should < "/sys/module/efd_storm/parameters/${place#*:}"
		same "from its ${place#*:}" "$(awk -v name=" efd_storm_${place%:*}+" '/^@/ { ours = 0 } index($0, name) { ours = 1 }
			ours && /^\]: / { n += $2 } END { print n + 0 }' /tmp/told)" "$should" || return
	done
}

run_bpftrace_sleeps()
{
	sleepers tell bpftrace -e "$sleeps" -c "$samples/efd_vs_pipe 300" && says '@us[efd_vs_pipe]:' || return
	same sleeps "$(awk '/^@/ { ours = /efd_vs_pipe/ } ours && /^\[/ { sub(/.*[])]/, ""); n += $1 } END { print n + 0 }' /tmp/told)" \
		"$(cat /tmp/sleeps)"
}

# late: the pid of efd_overtake's second process
late() { sed -n 's/^fast=[0-9]* late=//p' /tmp/told; }

run_bpftrace_vain()
{
	tell bpftrace -e "$vain" -c "$samples/efd_overtake 3" && says "@[late, $(late), fast]: 3" || return
	same 'what was told' "$(grep -c '^@' /tmp/told)" 1
}

# It does not tell nothing where it knows nothing.
run_bpftrace_wrong_field()
{
	! tell bpftrace -e 'tracepoint:eventfd:eventfd_wait /args->sort == 1/ { @ = count(); }' -c /bin/true || return
	grep -q "does not contain a field named 'sort'" /tmp/told
}

run_perf_who()
{
	two_waiters && tell perf record -a -e eventfd:eventfd_signal --filter "id == $id" -o /tmp/perf.data \
		"$0" --poke "$pid" "$other" && tell perf script -i /tmp/perf.data || return
	awk '/: *eventfd:eventfd_signal: / { print $1, $2 }' /tmp/told > /tmp/named
	same 'who was named' "$(paste -sd' ' /tmp/named)" "$(sed 's/^/insmod /' /tmp/pokes | paste -sd' ')"
}

run_perf_sleeps()
{
	sleepers tell perf stat -x , -e eventfd:eventfd_wait "$samples/efd_vs_pipe" 300 || return
	same sleeps "$(sed -n 's/^\([0-9]*\),.*eventfd:eventfd_wait,.*/\1/p' /tmp/told)" "$(cat /tmp/sleeps)"
}

run_perf_vain()
{
	local once='late:wait:reader fast:write: fast:wake:reader fast:read: late:wait:loser fast:write: fast:read: fast:wake:loser'

	tell perf record -a -e 'eventfd:*' -o /tmp/perf.data "$samples/efd_overtake" 2 && tell perf script -i /tmp/perf.data || return
	same 'what they did' "$(awk '$1 == "late" || $1 == "fast" {
		who = $1
		kind = match($0, / kind=[a-z]*/) ? substr($0, RSTART + 6, RLENGTH - 6) : ""
		sub(/.*eventfd:eventfd_/, "")
		sub(/:.*/, "")
		if ($0 != "release") print who ":" $0 ":" kind }' /tmp/told | paste -sd' ')" "$once $once"
}

case $1 in
-l) echo "$names" | tr ' ' '\n' && exit ;;
--poke|--storm)
	"${1#--}" "$2" "$3"
	exit ;;
-r)
	names=''
	while [ "$1" = -r ]; do
		names="$names $2"
		shift 2
	done ;;
esac

echo 'TAP version 13'
if [ ! -d $tracing/events/eventfd ]; then
	echo '1..0 # SKIP this kernel has no tracepoints of eventfd'
	exit 4
fi
# shellcheck disable=SC2086 # words
set -- $names
echo "1..$#"
number=0 failed=0
for name; do
	number=$((number + 1)) why=''
	echo "#  RUN           $name ..."
	: > /tmp/told
	if ! "run_$(echo "$name" | tr . _)" > /tmp/why; then
		sed 's/^/# /' /tmp/told /tmp/why
		why='not ' failed=1
	fi
	killall -q -KILL efd_wait
	rmmod efd_storm 2> /dev/null
	echo "${why}ok $number $name"
done
exit $failed

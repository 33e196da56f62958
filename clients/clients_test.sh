#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Programs that people run, which use eventfds: each does something whose result it knows, and
# ends with status 0 if that is what came out. The kernel's tracing tells of the eventfds that
# it and all that it starts make, and of what is written to them and read: a program that makes
# none, or does nothing with them, has shown nothing and fails. Shell, for busybox.
PATH=/bin:/usr/bin
names='stress_ng python asyncio node glib java memcached qemu'
# for one of them
seconds=200
trace=/sys/kernel/tracing/instances/clients
# x86-64
read=0 write=1 close=3 eventfd=284 eventfd2=290

# python FILE: without what the image leaves out
python() { exec /usr/bin/python3 -I -S "/clients/$1"; }

# stress METRICS [STRESSOR OPERATIONS]...: so many of each, and no complaint
stress()
{
	local metrics=$1 name ops args=''

	shift
	for name; do
		case $name in
		[0-9]*) args="$args-ops $name" ;;
		*) args="$args --$name 1 --$name" ;;
		esac
	done
	# shellcheck disable=SC2086 # words
	stress-ng --timeout 90 --verify --metrics-brief --epoll-domain unix $args > "$metrics" 2>&1 ||
		{ echo "status $?"; cat "$metrics"; return 1; }
	cat "$metrics"
	# it may complain, and yet end well
	! grep -qE 'stress-ng: (fail|error):|failed: [1-9]' "$metrics" || return 1
	while [ $# -gt 0 ]; do
		name=$1 ops=$2
		shift 2
		awk -v name="$name" -v ops="$ops" '$4 == name && $5 >= ops { found = 1 } END { exit !found }' "$metrics" ||
			{ echo "$name has not done $ops operations"; return 1; }
	done
	grep -q 'successful run completed' "$metrics"
}

# Only the first makes eventfds; the others poll and complete things.
run_stress_ng()
{
	# io-uring fails by itself in a directory whose name begins with a slash
	cd /tmp &&
		stress /tmp/stress.1 eventfd 500 &&
		stress /tmp/stress.2 epoll 100 poll 500 aiol 50 io-uring 50
}

run_python() { python eventfds.py; }
run_asyncio() { python loop.py; }
run_memcached() { python memcached.py; }
run_qemu() { python qemu.py; }
run_node() { exec node /clients/workers.js; }
run_glib() { exec /clients/loop; }
# the compiler that starts fast, and a heap that fits
run_java() { exec /clients/java/bin/java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx64m -cp /clients Selectors; }

# One of the programs, in a process of its own.
if [ "$1" = --run ]; then
	echo $$ >> "$trace/set_event_pid" || exit
	"run_$2"
	exit
fi

if [ "$1" = -l ]; then
	for name in $names; do echo "program.$name"; done
	exit
fi
if [ "$1" = -r ]; then
	names=''
	while [ "$1" = -r ]; do
		names="$names ${2#program.}"
		shift 2
	done
fi

# shellcheck disable=SC2086 # words
set -- $names
echo 'TAP version 13'
echo "1..$#"

# others: the tasks of our session but for this one: what a program has left behind
others()
{
	local stat dir

	for dir in /proc/[0-9]*; do
		read -r stat < "$dir/stat" || continue
		# what follows the name: state, parent, group, session
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		[ "$4" != $$ ] || [ "${dir#/proc/}" = $$ ] || echo "${dir#/proc/}"
	done 2> /dev/null
}

# watch: get ready to see what programs call. Once for all: to switch it on and off patches the
# kernel's text while it runs, which QEMU's emulation does not always survive.
watch()
{
	mkdir $trace &&
		echo 0 > $trace/tracing_on &&
		echo 4096 > $trace/buffer_size_kb &&
		# if it is too much, it is the end that is lost
		echo 0 > $trace/options/overwrite &&
		echo 1 > $trace/options/event-fork &&
		# nobody yet: this is a process that has ended
		sh -c 'echo $$' >> $trace/set_event_pid &&
		echo "id == $read || id == $write || id == $close" > $trace/events/raw_syscalls/sys_enter/filter &&
		echo "(id == $eventfd || id == $eventfd2) && ret >= 0" > $trace/events/raw_syscalls/sys_exit/filter &&
		echo 1 > $trace/events/raw_syscalls/enable
}

# watched: how many eventfds were made, and how many writes and reads there were of a number
# that one of them had
watched()
{
	awk -v r=$read -v w=$write -v c=$close '
		/: sys_exit: NR [0-9]+ = [0-9]+$/ { made++; is[sprintf("%x", $NF)] = 1 }
		/: sys_enter: NR [0-9]+ \(/ {
			sub(/.*: sys_enter: NR /, "")
			gsub(/[(),]/, "")
			# the number of the call, the descriptor, the address, the length
			if (!($2 in is)) next
			if ($1 == c) delete is[$2]
			else if ($1 == w && $4 == "8") written++
			else if ($1 == r) got++
		}
		END { print made + 0, written + 0, got + 0 }' $trace/trace
}

watch || { echo "# this kernel cannot trace"; exit 1; }
number=0 failed=0
for name; do
	number=$((number + 1))
	echo "#  RUN           program.$name ..."
	read -r begun _ < /proc/uptime
	: > $trace/trace
	echo 1 > $trace/tracing_on
	timeout -s KILL "$seconds" "$0" --run "$name" < /dev/null > /tmp/out 2>&1
	status=$?
	read -r ended _ < /proc/uptime
	for pid in $(others); do
		[ -e "/proc/$pid/syscall" ] || continue
		echo "still there: $(tr '\0' ' ' < "/proc/$pid/cmdline")in $(cat "/proc/$pid"/task/*/syscall)"
		kill -KILL "$pid"
	done > /tmp/left 2> /dev/null
	echo 0 > $trace/tracing_on
	watched > /tmp/counts
	read -r made written got < /tmp/counts
	lost=$(cat $trace/per_cpu/cpu*/stats | awk '/^(overrun|dropped events):/ { n += $NF } END { print n + 0 }')

	why=''
	if [ $status = 137 ]; then why="not done after $seconds s"
	elif [ $status != 0 ]; then why="status $status"
	elif [ "$made" = 0 ]; then why='it made no eventfd'
	elif [ "$written" = 0 ] || [ "$got" = 0 ]; then why='nothing was written to its eventfds, or read'
	elif [ "$got" -gt $((2 * written)) ]; then why="it runs in circles: $got reads after $written writes"
	fi
	if [ -n "$why" ]; then
		tail -30 /tmp/out | sed 's/^/# /'
		head -20 /tmp/left | sed 's/^/# /'
		echo "# $name: $why"
		failed=1
	fi
	echo "# $name: $made eventfds, $written writes, $got reads$([ "$lost" = 0 ] || echo " and more"), $(
		echo "$begun $ended" | awk '{ printf "%.1f", $2 - $1 }') s: $(tail -1 /tmp/out)"
	echo "${why:+not }ok $number program.$name"
done
exit $failed

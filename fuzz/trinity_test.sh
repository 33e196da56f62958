#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random calls with random arguments by trinity, as nobody, on eventfds and what they
# meet, for as long as eventfd.trinity= on the kernel's command line says, in seconds.
# Its own quirks, an early end with them, are no failures; the verdict looks for what the
# kernel says. That eventfds were among what it has called is what their tracepoints say; the
# stock kernel has none. Shell, for busybox.
[ "$1" != -l ] || { printf 'trinity.%s\n' calls eventfds; exit 4; }

seconds=60 seed=1
read -r cmdline < /proc/cmdline
for arg in $cmdline; do
	case $arg in
	eventfd.trinity=[1-9]*) seconds=${arg#*=} ;;
	eventfd.seed=[1-9]*) seed=${arg#*=} ;;
	esac
done

# those that can meet an eventfd's descriptor
calls=''
for call in eventfd eventfd2 read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 \
	poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 \
	fcntl dup dup2 dup3 close close_range ioctl lseek pipe2 splice tee vmsplice sendfile copy_file_range \
	io_setup io_submit io_getevents io_cancel io_destroy io_uring_setup io_uring_enter io_uring_register \
	newfstat statx ftruncate fallocate fsync flock fadvise64 readahead sync_file_range mmap \
	timerfd_create timerfd_settime signalfd4 memfd_create socketpair sendmsg recvmsg kcmp pidfd_getfd; do
	calls="$calls -c $call"
done

echo 1..2
echo "#  RUN           trinity.calls ..."
mkdir -p /tmp/trinity
chmod 777 /tmp/trinity

# Each tracepoint has a buffer of its own: how much went through, not what, is looked for.
eyes=/sys/kernel/tracing/instances events='create read write'
[ -d /sys/kernel/tracing/events/eventfd ] || events=''
for event in $events; do
	mkdir "$eyes/$event"
	echo 4 > "$eyes/$event/buffer_size_kb"
	echo 'comm ~ "trinity*"' > "$eyes/$event/events/eventfd/eventfd_$event/filter"
	echo 1 > "$eyes/$event/events/eventfd/eventfd_$event/enable"
done

# What is shown of descriptors is read while they come and go.
while :; do
	cat /proc/[0-9]*/fdinfo/* > /dev/null 2>&1
	sleep 0.1
done &
reader=$!

read -r start _ < /proc/uptime
end=$((${start%.*} + seconds))
rounds=0
while read -r now _ < /proc/uptime && [ "${now%.*}" -lt $end ]; do
	rounds=$((rounds + 1))
	# a round is short: what it loses by an early end is little
	left=$((end - ${now%.*}))
	[ $left -lt 30 ] || left=30
	# shellcheck disable=SC2086 # words
	echo "cd /tmp/trinity && exec timeout -k 5 -s INT $left trinity -q -l off -C 8 -a 64 -s $((seed + rounds)) \
		--enable-fds=eventfd,epoll,pipes,timerfd $calls" > /tmp/calls.cmd
	su nobody -s /bin/sh -c '. /tmp/calls.cmd' < /dev/null > /tmp/calls.out 2>&1
	cat /tmp/calls.out >> /tmp/calls.all
	tail -3 /tmp/calls.out | tr -d '\033' | sed 's/^/# /'
	killall -9 trinity 2> /dev/null
	rm -rf /tmp/trinity/*
done
kill $reader 2> /dev/null

# Every round says at its end what it has done, and now and then before.
calls=$(tr '\r' '\n' < /tmp/calls.all | awk '
	/Ran [0-9]+ syscalls/ { for (i = 1; i < NF; i++) if ($i == "Ran") n += $(i + 1); last = 0; next }
	/[0-9]+ iterations/ { for (i = 2; i <= NF; i++) if ($i ~ /^iterations/) last = $(i - 1) }
	END { print n + last }')
echo "# $calls calls in $rounds rounds"
status=0
if [ "${calls:-0}" -gt $((10 * seconds)) ]; then
	echo 'ok 1 trinity.calls'
else
	echo '# too few: what trinity says'
	tail -20 /tmp/calls.all | tr '\r' '\n' | tr -d '\033' | sed 's/^/# /'
	echo 'not ok 1 trinity.calls'
	status=1
fi

# A round makes some eventfds to begin with, and most calls are wrong in some way. Writes are
# only said: trinity writes 1 byte, or as many as a page has at most, and just 8 are taken.
verdict=ok by=''
for event in $events; do
	echo 0 > "$eyes/$event/events/eventfd/eventfd_$event/enable"
	n=$(cat "$eyes/$event"/per_cpu/cpu*/stats | awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }')
	rmdir "$eyes/$event"
	by="$by${by:+, }$n times $event"
	case $event in
	create) least=$((4 * rounds)) ;;
	write) least=-1 ;;
	*) least=$((seconds / 10)) ;;
	esac
	[ "$n" -gt "$least" ] || { echo "# eventfd_$event: $n times, and more than $least are wanted"; verdict='not ok' status=1; }
done
case $events,$(uname -r) in
,*-stock) echo "ok 2 trinity.eventfds # SKIP no tracepoints" ;;
,*) echo "# no tracepoints"; echo "not ok 2 trinity.eventfds"; status=1 ;;
*) echo "# eventfds: $by"; echo "$verdict 2 trinity.eventfds" ;;
esac
exit $status

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Random calls with random arguments by trinity, as nobody, on eventfds and what they
# meet, for as long as eventfd.trinity= on the kernel's command line says, in seconds;
# meanwhile efd_meddle adds to these eventfds, takes from them and sleeps on them.
# Trinity's own quirks, an early end with them, are no failures; the verdict looks for what the
# kernel says. That eventfds were among what both have called is what their tracepoints say; the
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

# Who, and which tracepoint: each has a buffer of its own: how much went through, not what, is
# looked for. Of who is woken, it is the sleeper's name.
eyes=/sys/kernel/tracing/instances
events='trinity.create trinity.read trinity.write trinity.wake efd_meddle.read efd_meddle.write efd_meddle.wake'
[ -d /sys/kernel/tracing/events/eventfd ] || events=''
for eye in $events; do
	event=$eyes/$eye/events/eventfd/eventfd_${eye#*.}
	mkdir "$eyes/$eye"
	echo 4 > "$eyes/$eye/buffer_size_kb"
	echo "comm ~ \"${eye%.*}*\"" > "$event/filter"
	echo 1 > "$event/enable"
done

# What is shown of descriptors is read while they come and go.
while :; do
	cat /proc/[0-9]*/fdinfo/* > /dev/null 2>&1
	sleep 0.1
done &
reader=$!

efd_meddle "$seed" "$seconds" > /tmp/meddled 2>&1 &
meddler=$!

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
wait $meddler
meddled=$?

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

# A round makes some eventfds to begin with, and most calls are wrong in some way. How often
# trinity writes, and is woken, is only said: it writes 1 byte, or as many as a page has at most,
# and just 8 are taken. To write these is what efd_meddle is for. A write that has slept is counted
# for whoever has made the room.
verdict=ok by='' last=''
for eye in $events; do
	echo 0 > "$eyes/$eye/events/eventfd/eventfd_${eye#*.}/enable"
	n=$(cat "$eyes/$eye"/per_cpu/cpu*/stats | awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }')
	rmdir "$eyes/$eye"
	who=${eye%.*} what=${eye#*.}
	if [ "$who" = "$last" ]; then by="$by, "; else by="$by${by:+; }$who "; fi
	last=$who by="$by$n times $what"
	case $eye in
	trinity.create) least=$((4 * rounds)) ;;
	trinity.read|efd_meddle.read|efd_meddle.write) least=$((seconds / 10)) ;;
	efd_meddle.wake) least=0 ;;
	*) continue ;;
	esac
	[ "$n" -gt "$least" ] || { echo "# eventfd_$what of $who: $n times, and more than $least are wanted"; verdict='not ok' status=1; }
done
sed 's/^/# /' /tmp/meddled
[ $meddled = 0 ] || { echo "# efd_meddle: status $meddled"; verdict='not ok' status=1; }
case $events,$(uname -r) in
,*-stock) echo "ok 2 trinity.eventfds # SKIP no tracepoints" ;;
,*) echo "# no tracepoints"; echo "not ok 2 trinity.eventfds"; status=1 ;;
*) echo "# eventfds: $by"; echo "$verdict 2 trinity.eventfds" ;;
esac
exit $status

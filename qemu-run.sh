#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# qemu-run.sh: boots one kernel with one initramfs and returns the verdict. It is as long as
# it is because it knows nothing of trees and knobs, and sources nothing that does.
set -euo pipefail
export LC_ALL=C
unset CDPATH
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage()
{
	cat <<-END
	usage: qemu-run.sh [options] KERNEL INITRD

	Boots KERNEL with INITRD in QEMU, runs the tests that are in it, and returns the
	verdict. KTAP alone goes to stdout, live; everything else to stderr, of which the
	last line is the verdict, with the command that repeats just the failed test. If stdout
	is no terminal, stderr has a line every 30 seconds that says how far it is.

	  --accel auto|kvm|tcg  auto, the default, takes KVM only where it works
	  --arch ARCH           what the kernel is for, one of those in scripts/arch; x86_64
	  --cpus N              processors of the guest, 2 if not given
	  --mem MIB             its memory, 256
	  --timeout SECONDS     limit for the whole run, 300
	  --out DIR             where console.log, results.tap, cmdline and summary.json go,
	                        build/run
	  --test PATTERN        run only what matches. A test is called suite.fixture.variant.test
	                        (or suite.fixture.test, suite.global.test); PATTERN is a name, or
	                        a glob with * and ?, for all of it or for a part from dot to dot:
	                        rw, create.global.old_call, counter.initial_value, '*cloexec*';
	                        or several with commas between them
	  --beyond FILE         names the tests that this kernel must fail, for scripts/verdict,
	                        whose --help explains; without --test, all of them
	  --claimed FILE        names the tests that must pass, likewise
	  --cpu MODEL           of the guest, as QEMU calls it; its default, or the host's under KVM
	  --device DEVICE       one more in the guest, as QEMU's -device; may be repeated
	  --append 'ARGS'       more for the kernel command line; where given twice, both count
	  --shell               an interactive busybox on this terminal instead of the tests;
	                        exit ends it, as does Ctrl-A X
	  --gdb                 wait for gdb on localhost:1234; no time limit
	  --print               print the command, do not run it
	  --help

	From the environment, as defaults: ACCEL CPUS MEM TIMEOUT TEST; QEMU names another
	binary. SILENT_KVM and SILENT_TCG are the seconds after which a guest that has not
	printed a byte is given up, 15 and 60: under KVM chosen by auto it is then started
	again under TCG, under TCG it is started again once.

	Exit status: 0 all passed, 1 a test failed or the console has a splat, 2 usage, or no
	test matches, 4 all skipped, 69 a tool or the VM could not be started, 124 timeout,
	130 interrupted, 255 the guest died.
	END
}

# Whatever of these is closed would be taken by the next file that is opened.
: 3>&2 || exec 2> /dev/null
{ : 3<&0; } 2>/dev/null || exec < /dev/null
{ : 3>&1; } 2>/dev/null || exec > /dev/null

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' red=$'\e[31m' off=$'\e[0m'; else bold='' red='' off=''; fi
# stderr may be closed: what we say is then lost, but not the verdict
say() { printf '%s%-9s%s %s\n' "$bold" "$1" "$off" "$2" >&2 || :; }
die()
{
	printf '%s%-9s%s %s\n' "$red" error "$off" "$2" >&2 || :
	[ $# -lt 3 ] || printf '%-9s %s\n' '' "$3" >&2 || :
	exit "$1"
}

arch=x86_64 accel=${ACCEL:-auto} auto='' cpus=${CPUS:-2} mem=${MEM:-256} timeout=${TIMEOUT:-300} pattern=${TEST:-}
out=${O:-$here/build}/run append='' beyond='' claimed='' cpu='' devices=() mode=test print='' files=()
while [ $# -gt 0 ]; do
	case $1 in
	--arch|--accel|--cpus|--mem|--timeout|--out|--test|--beyond|--claimed|--append|--cpu|--device)
		[ $# -gt 1 ] || die 2 "$1 wants a value" "see qemu-run.sh --help" ;;&
	--arch) arch=$2; shift ;;
	--accel) accel=$2; shift ;;
	--cpus) cpus=$2; shift ;;
	--mem) mem=$2; shift ;;
	--timeout) timeout=$2; shift ;;
	--out) out=$2; shift ;;
	--test) pattern=$2; shift ;;
	--beyond) beyond=$2; shift ;;
	--claimed) claimed=$2; shift ;;
	--cpu) cpu=$2; shift ;;
	--device) devices+=(-device "$2"); shift ;;
	--append) append="${append:+$append }$2"; shift ;;
	--shell) mode=shell ;;
	--gdb) mode=gdb ;;
	--print) print=1 ;;
	--help) usage; exit ;;
	-*) die 2 "unknown option $1" "see qemu-run.sh --help" ;;
	*) files+=("$1") ;;
	esac
	shift
done
[ ${#files[@]} = 2 ] || die 2 "give a kernel and an initramfs" "usage: qemu-run.sh [options] KERNEL INITRD, see --help"
kernel=${files[0]} initrd=${files[1]}

number() { [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || die 2 "$1 wants a number, not '$2'"; }
number --cpus "$cpus"
number --mem "$mem"
number --timeout "$timeout"
number SILENT_KVM "${SILENT_KVM:=15}"
number SILENT_TCG "${SILENT_TCG:=60}"
case $accel in auto|kvm|tcg) ;; *) die 2 "--accel $accel is none of auto, kvm, tcg" ;; esac
for f in "$beyond" "$claimed"; do
	[ -z "$f" ] || [ -r "$f" ] || die 2 "cannot read $f"
done
[[ $pattern =~ ^[A-Za-z0-9_.*?,-]*$ ]] || die 2 "--test '$pattern': a pattern has letters, digits, and _ . - * ? only; commas between several"

# What differs between architectures: the program, the machine, and its two channels.
{ [[ $arch =~ ^[a-z0-9_]+$ ]] && grep -qs '^qemu=' "$here/scripts/arch/$arch"; } ||
	die 2 "--arch $arch is none of $(cd "$here/scripts/arch" && grep -l '^qemu=' -- * | tr '\n' ' ')"
args='' channel='' tcg=''
# shellcheck source=scripts/arch/x86_64
. "$here/scripts/arch/$arch"
qemu=${QEMU:-$qemu}

for f in "$kernel" "$initrd"; do
	[ -f "$f" ] && [ -r "$f" ] && continue
	die 69 "cannot read $f" "make kernel image builds the kernel and the initramfs"
done
[ "$image" != arch/x86/boot/bzImage ] || [ "$(head -c 518 "$kernel" | tail -c 4 | tr -d '\000')" = HdrS ] ||
	die 69 "$kernel is not a bzImage"
command -v "$qemu" > /dev/null || die 69 "$qemu is not installed" "install the package $qemu_package (make doctor)"

# /dev/kvm may be there without a processor behind it that can do it, and then
# a guest hangs in its first instruction.
case $accel in
tcg) accel=tcg why='as asked for' ;;
kvm)
	[ -w /dev/kvm ] || die 69 "/dev/kvm cannot be opened" "--accel tcg does without"
	accel=kvm why='as asked for' ;;
auto)
	accel=tcg auto=1
	if [ "$(uname -m)" != x86_64 ]; then why="this is $(uname -m)"
	elif [ "$arch" != x86_64 ] && [ "$arch" != i386 ]; then why="the guest is $arch, this is $(uname -m)"
	elif [ ! -e /dev/kvm ]; then why='there is no /dev/kvm'
	elif [ ! -w /dev/kvm ]; then why='/dev/kvm is not for this user'
	elif ! grep -qwE 'vmx|svm' /proc/cpuinfo; then why='the processor shows neither vmx nor svm'
	else accel=kvm why='/dev/kvm opens, the processor has it'
	fi ;;
esac

# QEMU's emulated TSC is the host's, unless it counts instructions. A guest measures its
# rate against a timer, which goes wrong when the host is busy: its clock is then too fast or
# too slow, or only ticks. A host that is a guest itself knows the rate, and shows it.
tsc_khz()
{
	awk -F'[ \t]*: *' '
		/^flags/ { ok = / constant_tsc / && / hypervisor / && !/ aperfmperf / }
		/^cpu MHz/ { split($2, mhz, "."); khz = mhz[1] substr(mhz[2] "000", 1, 3) }
		/^$/ { exit }
		END { if (ok && khz > 100000) print khz }' /proc/cpuinfo 2>/dev/null || :
}

# command_: sets cmd to what is to be run
command_()
{
	local two=(-serial stdio) line="console=$console panic=-1 eventfd.tests=$tests${args:+ $args}"
	# a busy host may keep TCG from delivering the timer while the kernel looks
	# QEMU keeps emulated TSCs in step; the kernel would doubt it, and be left with
	# a clock that only ticks.
	[ "$accel" = kvm ] || [ "$image" != arch/x86/boot/bzImage ] ||
		line+=" no_timer_check tsc=reliable${khz:+ tsc_early_khz=$khz}"
	[ -z "$pattern" ] || line+=" eventfd.test=$pattern"
	cmd=("$qemu" -name "eventfd-$$" "${machine[@]}" -accel "$accel$([ "$accel" != tcg ] || echo "$tcg")")
	if [ -n "$cpu" ]; then cmd+=(-cpu "$cpu"); elif [ "$accel" = kvm ]; then cmd+=(-cpu host); fi
	cmd+=(-m "$mem" -no-user-config -nodefaults -display none -no-reboot "${devices[@]}")
	# where a machine has but one serial port, the second channel is a console of virtio's
	# shellcheck disable=SC2054 # QEMU's commas
	[ -z "$channel" ] || two=(-chardev stdio,id=tests -device "$channel" -device virtconsole,chardev=tests)
	case $mode in
	shell) line+=" eventfd.shell"; cmd+=(-serial mon:stdio) ;;
	gdb) line+=" nokaslr"; cmd+=(-S -s -serial "file:$out/console.log" "${two[@]}") ;;
	test) cmd+=(-serial "file:$out/console.log" "${two[@]}") ;;
	esac
	cmd+=(-kernel "$kernel" -initrd "$initrd" -append "$line${append:+ $append}")
}

# as a user would type it
typed()
{
	local word text=''
	for word; do
		[[ $word =~ ^[A-Za-z0-9_./:,=+-]+$ ]] || word=${word@Q}
		text+="$word "
	done
	echo "${text% }"
}

khz=$(tsc_khz)
command_
if [ -n "$print" ]; then
	typed "${cmd[@]}"
	exit
fi

{ mkdir -p "$out" && rm -f "$out/summary.json" && : > "$out/console.log"; } 2>/dev/null ||
	die 2 "cannot write to $out" "choose another directory with --out"
if ! { typed "${cmd[@]}" > "$out/cmdline" && head -c 262144 /dev/zero > "$out/console.log"; } 2>/dev/null; then
	die 69 "the disk with $out is full"
fi

say accel "$accel, $why"
if [ "$mode" = shell ]; then
	exec "${cmd[@]}"
fi

# QEMU dies with us, however we die.
leash=()
! command -v setpriv > /dev/null || leash=(setpriv --pdeathsig KILL)

pid='' stopped=''
end_qemu() { [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || :; pid=''; }
trap 'stopped=130; end_qemu' INT TERM HUP
trap end_qemu EXIT
# a reader that has seen enough (| head) does not end the run
trap '' PIPE

# so far: for who does not see the results, every so many seconds
every=30
[ ! -t 1 ] && [ "$mode" = test ] || every=''
so_far()
{
	local suite results
	suite=$(sed -n 's/^    # Subtest: //p' "$out/results.tap" | tail -1) || :
	results=$(grep -cE '^    (not )?ok ' "$out/results.tap") || :
	say '' "$SECONDS s, ${suite:+$results results, in }${suite:-no results yet}"
}

# A line of the guest's, to whoever wants it and to the file that matters.
listener=1 full=''
relay()
{
	local line=${1%$'\r'}
	heard=1
	[ -z "$listener" ] || printf '%s\n' "$line" 2>/dev/null || listener=''
	printf '%s\n' "$line" 2>/dev/null >&4 || full=1
}

# boot: one boot, from start to end; sets outcome to ended, silent or timeout
boot()
{
	local part line='' silent=$SILENT_TCG begun=$SECONDS next=$((SECONDS + ${every:-0})) status

	[ -z "$stopped" ] || return 0
	command_
	[ "$accel" = tcg ] || silent=$SILENT_KVM
	typed "${cmd[@]}" > "$out/cmdline"
	: > "$out/console.log"
	exec 4> "$out/results.tap"
	exec 3< <(exec 4>&-; exec "${leash[@]}" "${cmd[@]}" < /dev/null 2> "$out/qemu.log")
	pid=$!
	outcome=ended heard=''
	while :; do
		part=''
		if IFS= read -r -t 0.3 -u 3 part; then
			relay "$line$part"
			line=''
		else
			status=$?
			line+=$part
			[ $status -gt 128 ] || break
		fi
		[ -z "$stopped" ] || break
		if [ -z "$heard" ]; then
			if [ -s "$out/console.log" ]; then
				heard=1
			elif [ "$mode" != gdb ] && [ $((SECONDS - begun)) -ge "$silent" ]; then
				outcome=silent
				break
			fi
		fi
		if [ "$mode" != gdb ] && [ "$SECONDS" -ge "$timeout" ]; then
			outcome=timeout
			break
		fi
		if [ -n "$every" ] && [ "$SECONDS" -ge "$next" ]; then
			next=$((SECONDS + every))
			so_far
		fi
	done
	[ -z "$line" ] || relay "$line"
	[ ! -s "$out/console.log" ] || heard=1
	if [ $outcome = ended ] && [ -z "$stopped" ]; then
		wait "$pid" && qemu_status=0 || qemu_status=$?
		pid=''
	fi
	end_qemu
	exec 3<&- 4>&-
}

if [ "$mode" = gdb ]; then
	vmlinux=${kernel%/arch/*}/vmlinux
	line=gdb
	# gdb loads the kernel's own helpers only from places it was told to trust
	[ ! -f "$vmlinux-gdb.py" ] || line+=" -iex 'add-auto-load-safe-path ${vmlinux%/*}'"
	[ ! -f "$vmlinux" ] || line+=" $vmlinux"
	say gdb "type: $line -ex 'target remote localhost:1234'"
fi
SECONDS=0 start=$EPOCHREALTIME qemu_status=0
boot
if [ "$accel" = kvm ] && [ -z "$heard$stopped" ] && [ "$outcome" != timeout ]; then
	why="the guest printed nothing under KVM in $SILENT_KVM s"
	[ "$outcome" = silent ] || why="QEMU ended under KVM: $(tail -1 "$out/qemu.log")"
	[ -n "$auto" ] || die 69 "$why" "--accel tcg does without"
	say accel "tcg, as $why"
	accel=tcg
	boot
elif [ "$outcome" = silent ]; then
	say again "the guest printed nothing in $SILENT_TCG s; one more try"
	boot
fi
seconds=$(((${EPOCHREALTIME/./} - ${start/./}) / 100000))
seconds=$((seconds / 10)).$((seconds % 10))

# QEMU's own status says how QEMU fared, not the guest.
[ ! -s "$out/qemu.log" ] || [ -n "$stopped" ] || say qemu "$(tail -3 "$out/qemu.log")"
if [ "$outcome" = ended ] && [ -z "$stopped" ] && [ -z "$heard" ] && [ "$qemu_status" != 0 ]; then
	die 69 "$qemu ended with status $qemu_status before the guest began" "the command is in $out/cmdline"
fi
{ tr -d '\r' < "$out/console.log" > "$out/console.tmp" && mv -f "$out/console.tmp" "$out/console.log"; } 2>/dev/null || full=1
[ -z "$full" ] || die 69 "the disk with $out is full, the results are lost"

ended=${stopped:-0}
[ "$outcome" != timeout ] || ended=124
status=0
"$here/scripts/verdict" --status "$ended" --accel "$accel" --seconds "$seconds" \
	${beyond:+--beyond "$beyond"} ${claimed:+--claimed "$claimed"} ${pattern:+--some} "$out" >&2 || status=$?
exit "$status"

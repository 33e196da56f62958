# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # what is set here is for those who source it
# Sourced by every script: where things are, and how we talk; longer than others, as it is in one place.
#
# In from the environment: the knobs KDIR O ARCH CONFIG SERIES UPTO JOBS V and the pin of
# kernel.mk, BASE, which make exports; from one of our scripts to
# another, VARIANT, a name for a tree of its own, and PATCHES, another series; NO_COLOR.
#
# Out: all of these, set and checked. TOP; where things are: BASE_DIR BASE_ID TREE OBJ RUN IMAGE;
# what scripts/arch/$ARCH sets, and the prefix of its tools, cross, which is also exported as
# CROSS_COMPILE. Exported: LC_ALL=C and what makes the kernel's build reproducible (KBUILD_*).
# An error ends the script (set -euo pipefail). Functions: each says what it is for.

set -euo pipefail
export LC_ALL=C
# what our make was told is not meant for the kernel's
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
# with it, cd may go elsewhere, and says where it went
unset CDPATH

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
	C_BOLD=$'\e[1m' C_RED=$'\e[31m' C_OFF=$'\e[0m'
else
	C_BOLD='' C_RED='' C_OFF=''
fi

# say WORD TEXT: one line of progress. The word says which step is talking; paths
# are as seen from the top.
say() { printf '%s%-9s%s %s\n' "$C_BOLD" "$1" "$C_OFF" "${2//"$TOP"\//}" >&2; }

# die [STATUS] TEXT [HINT]: what is wrong, and what to do.
die()
{
	local status=1
	case $1 in [0-9]*) status=$1; shift ;; esac
	printf '%s%-9s%s %s\n' "$C_RED" error "$C_OFF" "$1" >&2
	[ $# -lt 2 ] || printf '%-9s %s\n' '' "$2" >&2
	exit "$status"
}

# flag NAME: whether the knob of that name is 1. 0 or nothing is no, anything else an error.
flag()
{
	case ${!1:-0} in
	0) return 1 ;;
	1) ;;
	*) die 2 "$1=${!1} is neither 0 nor 1" ;;
	esac
}

[ "${BASH_VERSINFO[0]}" -ge 5 ] || die 69 "bash $BASH_VERSION is too old" "it takes 5 or later"

# Every long-lived file is written beside its place and moved there, so that an
# interruption leaves the old one or the new one, never half of one.
settle() { mv -f "$1.tmp" "$1"; }

digest() { sha256sum | cut -c1-16; }

# The pin has one home; a script that is run by hand reads it there.
pin() { sed -n "s/^$1 *[?:]*= *//p" "$TOP/kernel.mk"; }

: "${BASE:=$(pin BASE)}" "${BASE_TARBALL:=}"
: "${ARCH:=x86_64}" "${CONFIG:=base}" "${SERIES:=all}" "${UPTO:=}" "${KDIR:=}"
: "${JOBS:=$(nproc)}" "${V:=0}" "${O:=$TOP/build}"

O=$(realpath -m "$O")
# plain_path NAME [WORDS]: dies if that variable is a path that make, kbuild or sed take for something else
plain_path()
{
	[[ ${!1} != *[[:space:]:,\;\#\$\&\|\*\?\[\\\'\"]* ]] || die 2 "there is white space, or a : or the like, in the path ${2:-$1=}${!1}" \
		"make and the kernel's build cannot do with that; give it another one"
}
plain_path TOP 'of this checkout, '
plain_path O
# claim: makes O; one that was not there, or was empty, is ours, and scripts/clean may delete there
OURS=.eventfd
claim() { mkdir -p "$O" && { [ -n "$(ls -A "$O")" ] || : > "$O/$OURS"; }; }

: "${PATCHES:=$TOP/patches}"
# the names of the patches, in order
series() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/[[:space:]].*//' "$SERIES_FILE"; }
# the files that the series changes or creates
touched() { series | sed "s,^,$PATCHES/," | xargs -r sed -n 's,^[-+][-+][-+] [ab]/\([^ \t]*\).*,\1,p' | sort -u; }
# what is in them, in tree $1
sums() { (cd "$1" && touched | while read -r f; do [ ! -e "$f" ] || sha256sum "$f"; done); }

version() { sed -n 's/^VERSION = //p;s/^PATCHLEVEL = /./p;s/^SUBLEVEL = /./p' "$1/Makefile" 2> /dev/null | tr -d '\n'; }

case $SERIES in
all|none) ;;
*) die 2 "SERIES=$SERIES is not known" "SERIES=none builds the stock kernel; leave it out for ours" ;;
esac
[[ $UPTO =~ ^[0-9]{0,4}$ ]] || die 2 "UPTO wants the number of a patch, not '$UPTO'" "UPTO=4, for example: patches/series has them"

if [ -n "$KDIR" ]; then
	[ -d "$KDIR" ] || die 2 "KDIR=$KDIR is not a directory"
	KDIR=$(cd "$KDIR" && pwd)
	plain_path KDIR
	BASE_DIR=$KDIR
	BASE_ID=$(basename "$KDIR")-$(printf %s "$KDIR" | digest | cut -c1-6)
	LINUX=$(version "$KDIR") || :
else
	[[ $BASE =~ ^[0-9]+\.[0-9]+$ ]] || die 2 "BASE=$BASE is no version" "BASE=$(pin BASE), or another; KDIR= takes a tree"
	BASE_DIR=$O/base/linux-$BASE
	BASE_ID=$BASE
	LINUX=$BASE
fi
# its source: a file of the user's own, the package's, or what scripts/base-source has fetched
BASE_PACKAGE=linux-source-$BASE
BASE_FETCHED=$O/base/$BASE_PACKAGE.tar.xz
if [ -z "$BASE_TARBALL" ]; then
	BASE_TARBALL=/usr/src/$BASE_PACKAGE.tar.xz
	[ -e "$BASE_TARBALL" ] || [ ! -e "$BASE_FETCHED" ] || BASE_TARBALL=$BASE_FETCHED
fi

# Which series a kernel takes: that of its version. For a version that nobody has made
# one for, scripts/tree tries them, and remembers here which one fits.
CHOSEN=$O/tree/$BASE_ID.series
series_for()
{
	local minor
	minor=$(cut -d. -f1,2 <<< "$1")
	if [ -e "$PATCHES/series-$minor" ]; then
		echo "$PATCHES/series-$minor"
	elif [ "$minor" = "$(pin BASE)" ]; then
		echo "$PATCHES/series"
	fi
}
# the version that a series file is made for
made_for() { case $1 in */series) pin BASE ;; *) echo "${1##*-}" ;; esac; }
# all versions that there is a series for
bases()
{
	local f
	for f in "$PATCHES"/series "$PATCHES"/series-*; do
		[ ! -f "$f" ] || made_for "$f"
	done | sort -V
}
SERIES_FILE=$(series_for "$LINUX")
KNOWN=$SERIES_FILE
[ -n "$KNOWN" ] || SERIES_FILE=$(cat "$CHOSEN" 2> /dev/null || echo "$PATCHES/series")

# A tree, and what a run of it leaves, is named after what is applied to it.
if [ -n "${VARIANT:-}" ]; then
	# a script's own, that it may change: never that of the oracle
	TREE=$O/tree/$BASE_ID-$VARIANT RUN=$O/run-$VARIANT
elif [ "$SERIES" = none ]; then
	TREE=$O/tree/$BASE_ID-stock RUN=$O/run-stock
elif [ -n "$UPTO" ]; then
	TREE=$O/tree/$BASE_ID-upto RUN=$O/run-upto
else
	TREE=$O/tree/$BASE_ID-series RUN=$O/run
fi
OBJ=$TREE/obj-$CONFIG
[ -n "$KDIR" ] || [ "$BASE" = "$(pin BASE)" ] || RUN+=-$BASE
[ "$CONFIG" = base ] || RUN+=-$CONFIG
if [ "$ARCH" != x86_64 ]; then
	OBJ=$TREE/obj-$ARCH-$CONFIG RUN+=-$ARCH
fi

# The kernel's own knobs, the same for everyone: a build is reproducible, and
# ccache sees equal commands as equal.
export KBUILD_BUILD_TIMESTAMP='2024-01-01 00:00:00 UTC' KBUILD_BUILD_USER=eventfd
export KBUILD_BUILD_HOST=qemu KBUILD_BUILD_VERSION=1

# guests: the architectures that there is a machine for
guests() { (cd "$TOP/scripts/arch" && echo *); }
is_guest() { [[ " $(guests) " == *" $1 "* ]]; }
is_guest "$ARCH" || die 2 "ARCH=$ARCH is not supported" "supported: $(guests)"
cpus=''
# shellcheck source=scripts/arch/x86_64
. "$TOP/scripts/arch/$ARCH"
IMAGE=$image
# triple_of ARCH: the prefix of its compiler and the like; none where the machine is one itself
triple_of()
{
	# shellcheck source=/dev/null # in a subshell: what it sets stays there
	[ "$(uname -m)" = "$1" ] || echo "$(cpus='' && . "$TOP/scripts/arch/$1" && echo "$triple")-"
}
cross=$(triple_of "$ARCH")
export CROSS_COMPILE=$cross

# the fragments of CONFIG, which are joined by a plus, on top of base
fragments() { tr + '\n' <<< "$CONFIG" | sed "/^base\$/d; s,.*,$TOP/kernel-config/&.config,"; }
# noted KEY: the words in the lines "# KEY: ..." of the configuration's fragments, and the architecture's
noted() { { echo "$TOP/kernel-config/$ARCH.config"; fragments; } | xargs -r sed -n "s/^# $1: //p" 2>/dev/null || :; }

# c_files DIR...: the sources in there, without what kbuild has made of modules
c_files() { find "$@" -maxdepth 1 -name '*.[ch]' ! -name '*.mod.c' | sort; }

# told NAME: what that is for other knobs: SERIES=none told RUN
told() { bash -c '. "$0"; echo "${!1}"' "$TOP/scripts/lib.sh" "$1"; }
# x86_only VERB: dies elsewhere, as programs of this machine are in its guests
x86_only()
{
	[ "$ARCH" = x86_64 ] || die 2 "make $1 is for x86_64, not for ARCH=$ARCH" "make run ARCH=$ARCH runs the tests there"
	[ "$(uname -m)" = x86_64 ] || die 69 "make $1 wants an x86-64 machine, this is $(uname -m)" "make run and make arches do not"
}
# whole_series VERB: dies where not all of the series is asked for, with SERIES=none or UPTO=
whole_series()
{
	local knob=${UPTO:+UPTO=$UPTO}
	[ "$SERIES" = all ] || knob=SERIES=$SERIES
	[ -z "$knob" ] || die 2 "make $1 is for the whole series, not for $knob" "leave $knob out"
}
# no_guest_in DIR: dies if scripts/boot has one there, as what it leaves must not be deleted
no_guest_in()
{
	[ ! -e "$1.lock" ] || flock -n "$1.lock" true || die 2 "a guest is at work in $1" "wait for it, or give this one a place of its own with O="
}
# both COMMAND...: COMMAND stock, then COMMAND series, each with SERIES as that side wants it
both()
{
	SERIES=none "$@" stock
	SERIES=all "$@" series
}
# sources BUT: what everything is made of: all our files as they are, tracked or about to be, but for
# those whose names BUT (an extended regular expression) matches, the tree that they are for, and
# the compiler and the emulator
sources()
{
	# what is built may be in here, too
	local built=${O#"$TOP/"}
	{
		echo "$ARCH $KDIR $BASE ${BASE_SOURCES:-no} ${ACCEL:-auto}"
		{ "${cross}gcc" --version; "${QEMU:-$qemu}" --version; } 2> /dev/null || :
		if [ -n "$KDIR" ]; then sums "$KDIR"; else stat -L -c '%s %Y' "$BASE_TARBALL" 2> /dev/null || :; fi
		cd "$TOP" && if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
			git ls-files -z --cached --others --exclude-standard
		else
			find . -path ./.git -prune -o -type f -printf '%P\0'
		fi | grep -zv "^${built//./\\.}/" | grep -zvxE "${1:-/}" | sort -zu | while IFS= read -r -d '' f; do
			if [ -f "$f" ]; then sha256sum "$f"; else echo "gone $f"; fi
		done
	} | digest
}

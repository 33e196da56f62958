# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every script: where things are, and how we talk.
#
# In from the environment (make exports them): KDIR O ARCH CONFIG SERIES UPTO
# JOBS V and the pin of kernel.mk. Out: the paths below.

set -euo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
	C_BOLD=$'\e[1m' C_RED=$'\e[31m' C_GREEN=$'\e[32m' C_OFF=$'\e[0m'
else
	C_BOLD='' C_RED='' C_GREEN='' C_OFF=''
fi

# say WORD TEXT: one line of progress. The word says which step is talking.
say() { printf '%s%-9s%s %s\n' "$C_BOLD" "$1" "$C_OFF" "$2" >&2; }

# die [STATUS] TEXT [HINT]: what is wrong, and what to do.
die()
{
	local status=1
	case $1 in [0-9]*) status=$1; shift ;; esac
	printf '%s%-9s%s %s\n' "$C_RED" error "$C_OFF" "$1" >&2
	[ $# -lt 2 ] || printf '%-9s %s\n' '' "$2" >&2
	exit "$status"
}

# Every long-lived file is written beside its place and moved there, so that an
# interruption leaves the old one or the new one, never half of one.
settle() { mv -f "$1.tmp" "$1"; }

digest() { sha256sum | cut -c1-16; }

# The pin has one home; a script that is run by hand reads it there.
pin() { sed -n "s/^$1 *:= *//p" "$TOP/kernel.mk"; }

: "${BASE:=$(pin BASE)}" "${BASE_PACKAGE:=$(pin BASE_PACKAGE)}"
: "${BASE_TARBALL:=$(pin BASE_TARBALL)}"
: "${ARCH:=x86_64}" "${CONFIG:=base}" "${SERIES:=all}" "${UPTO:=}" "${KDIR:=}"
: "${JOBS:=$(nproc)}" "${V:=0}" "${O:=$TOP/build}"

mkdir -p "$O" 2>/dev/null || die 2 "cannot create the output directory $O" \
	"choose another with O=/path"
O=$(cd "$O" && pwd)

PATCHES=$TOP/patches
series() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/[[:space:]].*//' "$PATCHES/series"; }

case $SERIES in
all|none) ;;
*) die 2 "SERIES=$SERIES is not known" "SERIES=none builds the stock kernel; leave it out for ours" ;;
esac

if [ -n "$KDIR" ]; then
	[ -d "$KDIR" ] || die 2 "KDIR=$KDIR is not a directory"
	KDIR=$(cd "$KDIR" && pwd)
	BASE_DIR=$KDIR
	BASE_ID=$(basename "$KDIR")-$(printf %s "$KDIR" | digest | cut -c1-6)
else
	BASE_DIR=$O/base/linux-$BASE
	BASE_ID=$BASE
fi

# A tree is named after what is applied to it.
if [ "$SERIES" = none ]; then
	TREE=$O/tree/$BASE_ID-stock
elif [ -n "$UPTO" ]; then
	TREE=$O/tree/$BASE_ID-upto
else
	TREE=$O/tree/$BASE_ID-series
fi
OBJ=$TREE/obj-$CONFIG

# The kernel's own knobs, the same for everyone: a build is reproducible, and
# ccache sees equal commands as equal.
export KBUILD_BUILD_TIMESTAMP='2024-01-01 00:00:00 UTC' KBUILD_BUILD_USER=eventfd
export KBUILD_BUILD_HOST=qemu KBUILD_BUILD_VERSION=1
case $ARCH in
x86_64) KARCH=x86_64 IMAGE=arch/x86/boot/bzImage ;;
*) die 2 "ARCH=$ARCH is not supported" "supported: x86_64" ;;
esac

# kmake ARGS...: make in the current tree, out of tree.
kmake()
{
	local cc=()
	if command -v ccache >/dev/null; then
		export CCACHE_BASEDIR=$O CCACHE_NOHASHDIR=1
		cc=(CC="ccache gcc" HOSTCC="ccache gcc")
	fi
	make -C "$TREE" O="$OBJ" ARCH="$KARCH" --no-print-directory -j"$JOBS" "${cc[@]}" "$@"
}

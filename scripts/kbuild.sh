# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # lib.sh has the variables
# Sourced, after lib.sh, by who builds: one at a time, and by the kernel's make.

# alone: from here to its end, this script is the only one that writes trees, objects or images in
# O; another one is waited for. What it calls may write as well, which BUILDING tells it. The lock
# is that of descriptor 6: who starts what stays closes it.
alone()
{
	[ "${BUILDING:-}" != "$O" ] || return 0
	claim
	exec 6> "$O/lock"
	if ! flock -n 6; then
		say wait "another make is building in $O; for an hour at most"
		flock -w 3600 6 || die 1 "another make has been building in $O for an hour" "end it, or give this one a place of its own with O="
	fi
	export BUILDING=$O
}

# as_asked HINT: dies if the configuration is not what the fragments ask for, whose last word on each
# option counts.
as_asked()
{
	local missing
	missing=$(sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1 &/p; s/^# \(CONFIG_[A-Za-z0-9_]*\) is not set$/\1 n/p' "$OBJ/.asked" |
		awk 'NR == FNR { want[$1] = substr($0, length($1) + 2); next }
		     /^CONFIG_/ { split($0, a, "="); have[a[1]] = $0 }
		     END { for (o in want) if (want[o] == "n" || want[o] ~ /=n$/) { if (o in have) print "not wanted, but there: " have[o] }
		                           else if (have[o] != want[o]) print "asked for, but not there: " want[o] }' - "$OBJ/.config" | sort)
	[ -z "$missing" ] || { printf '%s\n' "$missing" >&2; die "the configuration is not what the fragments ask for" "$1"; }
}

# kmake ARGS...: make in the current tree, out of tree.
kmake() { kmake_by -C "$TREE" O="$OBJ" "$@"; }
# kmake_here ARGS...: the same without the kernel's preparations, which must have been made
kmake_here()
{
	(
		export sub_make_done=1 abs_srctree="$TREE" abs_objtree="$OBJ" KBUILD_VERBOSE=0 quiet=quiet_ Q=@
		kmake_by -C "$OBJ" -f "$TREE/Makefile" "$@"
	)
}
kmake_by()
{
	local cc=() extra
	read -ra extra <<< "$(noted make)"
	if command -v ccache >/dev/null; then
		# To be told by the compiler what it has read costs nothing; to
		# preprocess first, as ccache would, half as much again.
		export CCACHE_BASEDIR=$O CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
		cc=(CC="$TOP/scripts/cc" HOSTCC="ccache gcc")
	fi
	make "$@" ARCH="$karch" --no-print-directory -j"$JOBS" "${cc[@]}" "${extra[@]}"
}

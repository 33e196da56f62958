# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by who puts the series into a tree: which one, whether it is in there.

# is_kernel_tree DIR, or an end with a clear line
is_kernel_tree()
{
	[ -f "$1/Kbuild" ] && [ -d "$1/fs" ] && grep -qs '^VERSION = ' "$1/Makefile" ||
		die 2 "$1 is not a Linux kernel source tree" \
			"KDIR= wants the top directory, the one with Kbuild, fs/ and Makefile"
}
# quilt with our patches in directory $1
quilt_in()
{
	local dir=$1
	shift
	(cd "$dir" && QUILT_PATCHES=$PATCHES QUILT_SERIES=${SERIES_FILE##*/} QUILT_PC=.pc quilt --quiltrc "$TOP/quiltrc" "$@")
}
# push_series DIR [LAST]: quilt push at fuzz 0, up to patch LAST; on failure says
# which patch does not fit which file, in $refusal, and returns 1. What quilt said is in $quilt_log,
# beside DIR if that is ours.
refusal='' quilt_log=''
push_series()
{
	local patch file
	case $1 in
	"$O"/*) quilt_log=$1.quilt.log ;;
	*) quilt_log=$O/apply.quilt.log ;;
	esac
	! quilt_in "$1" push --fuzz=0 "${2:--a}" > "$quilt_log" 2>&1 || return 0
	patch=$(sed -n 's/^Applying patch //p' "$quilt_log" | tail -1)
	file=$(sed -n 's/.*FAILED -- .*file \(.*\)$/\1/p; s/^can.t find file to patch.*/a file that is not there/p' "$quilt_log" | head -1)
	refusal="${patch##*/} does not fit ${file:-this tree}"
	[ -n "$patch" ] || refusal="quilt stops with '$(tail -1 "$quilt_log")' in the tree"
	return 1
}

# has_series DIR: the last patch of one of them is in there
has_series()
{
	local SERIES_FILE
	for SERIES_FILE in "$PATCHES"/series "$PATCHES"/series-*; do
		[ -f "$SERIES_FILE" ] || continue
		! patch -d "$1" -p1 -R -s -f --dry-run < "$PATCHES/$(series | tail -1)" > /dev/null 2>&1 || return 0
	done
	return 1
}

# copy_touched FROM TO: nothing but the files of the series
copy_touched()
{
	claim
	rm -rf "$2" && mkdir -p "$2"
	touched | while read -r f; do
		[ ! -e "$1/$f" ] || (cd "$1" && cp -L --parents "$f" "$2")
	done
}

# choose_series: which series goes into BASE_DIR if none is made for its version. All are
# tried on copies of the files that they touch, the nearest version first.
choose_series()
{
	local scratch=$O/apply.choose file ours theirs first='' nearest=''
	[ -z "$KNOWN" ] && ! has_series "$BASE_DIR" || return 0
	mkdir -p "${CHOSEN%/*}"
	rm -f "$CHOSEN"
	# 6.19 comes right before 7.0
	ours=$(awk -F. '{ print $1 * 20 + $2 }' <<< "$LINUX")
	while read -r _ file; do
		SERIES_FILE=$file
		: "${nearest:=$file}"
		copy_touched "$BASE_DIR" "$scratch"
		if push_series "$scratch"; then
			rm -rf "$scratch" "$quilt_log"
			echo "$file" > "$CHOSEN"
			say series "no series is made for Linux $LINUX; ${file#"$TOP"/}, for Linux $(made_for "$file"), fits: nobody has tested that"
			return
		fi
		: "${first:=$refusal}"
	done < <(for file in "$PATCHES"/series "$PATCHES"/series-*; do
		[ -f "$file" ] || continue
		theirs=$(made_for "$file" | awk -F. '{ print $1 * 20 + $2 }')
		echo "$((ours > theirs ? ours - theirs : theirs - ours)) $file"
	done | sort -n)
	SERIES_FILE=$nearest
	die 2 "no series fits Linux $LINUX in $BASE_DIR" \
		"the nearest is ${nearest#"$TOP"/}, for Linux $(made_for "$nearest"), but $first; nothing was changed; details: $quilt_log"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by edit and refresh, after lib.sh: the place where patches are changed.
#
#	tree/		a quilt tree with the files of the series, and no others
#	patches/	the series as it becomes, from which quilt applies
#	began/		the series as it was
#	laid/		the files of tree/ as we have left them to the user
#	stuck		there if a patch behind the changed one did not fit any more

# shellcheck source=scripts/applying.sh
. "$TOP/scripts/applying.sh"

edit=$O/edit tree=$O/edit/tree home=$PATCHES

# use DIR: its patches and its series are what is spoken of
# shellcheck disable=SC2034 # for lib.sh
use() { PATCHES=$1 SERIES_FILE=$1/series; }

# begin [LAST]: lays it anew, with the series applied up to patch LAST, or none of it
begin()
{
	[ -n "$KDIR" ] || [ -f "$BASE_DIR.stamp" ] || SERIES=none "$TOP/scripts/tree"
	is_kernel_tree "$BASE_DIR"
	use "$home"
	rm -rf "$edit"
	claim
	mkdir -p "$tree" "$edit"/{patches,began}
	cp "$home"/*.patch "$home/series" "$edit/began"
	cp "$home"/*.patch "$home/series" "$edit/patches"
	# one that has a message only is for quilt an empty file, or none at all
	grep -LZ '^--- ' "$edit"/patches/*.patch | xargs -0r truncate -s 0
	touched | (cd "$BASE_DIR" && while read -r f; do [ ! -e "$f" ] || cp -L --parents "$f" "$tree"; done)
	chmod -R u+w "$tree"
	use "$edit/patches"
	[ -z "${1:-}" ] || push_series "$tree" "$1" || return
	remember
}

remember()
{
	rm -rf "$edit/laid"
	cp -a "$tree" "$edit/laid"
	rm -rf "$edit/laid/.pc"
}

# the patches that are applied
applied() { cat "$tree/.pc/applied-patches" 2> /dev/null || :; }

# something would be lost by laying it anew
under_way()
{
	[ -d "$edit/laid" ] && { [ -e "$edit/stuck" ] || ! diff -rq -x .pc "$edit/laid" "$tree" > /dev/null; }
}

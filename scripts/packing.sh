# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by what makes images, after lib.sh: lines for gen_init_cpio, and the archive.

# bare DIR...: the directories and the console, for a program that is its own init
bare()
{
	printf '%s\n' "$@" | sort | while IFS= read -r d; do
		case $d in
		/tmp) echo "dir $d 1777 0 0" ;;
		*) echo "dir $d 0755 0 0" ;;
		esac
	done
	echo "nod /dev/console 0600 0 0 c 5 1"
}

# host_busybox: the one of this machine
host_busybox() { command -v busybox || die 69 "busybox is not installed" "install the package busybox-static (make doctor)"; }

# skeleton BUSYBOX [DIR]...: what every other image has: that, the console, and directories, with these
skeleton()
{
	local busybox=$1
	shift
	bare /bin /dev /proc /sys /tmp "$@"
	echo "file /bin/busybox $busybox 0755 0 0"
	echo "slink /bin/sh busybox 0777 0 0"
}

# put PATH FILE [MODE]: FILE as PATH, and the directories that lead there
put()
{
	local part dir=''

	while IFS= read -r -d / part; do
		[ -z "$part" ] || { dir+=/$part; echo "dir $dir 0755 0 0"; }
	done <<< "$1"
	echo "file $1 $(realpath "$2") ${3:-0755} 0 0"
}

# libraries [--but DIR] FILE...: the shared libraries that they need, where they are looked for,
# without those that are in DIR
libraries()
{
	local f but=''

	[ "$1" != --but ] || { but=$2; shift 2; }
	{ ldd "$@" 2> /dev/null || :; } | sed -n 's,.*[[:space:]]\(/[^ ]*\) (.*,\1,p' | sort -u | while IFS= read -r f; do
		[ -n "$but" ] && [[ $f == "$but"/* ]] || put "$f" "$f"
	done
}

# archive FILE.cpio OBJ TREE: of the lines in FILE.lines, by gen_init_cpio of a kernel; a line
# may come twice. What is packed stays beside it, as FILE.list, where scripts/boot looks for what
# is in there. Only a list that differs, or a member that is newer, calls for a new archive.
archive()
{
	local gen=$2/usr/gen_init_cpio list=${1%.cpio}.list kind from fresh=$1

	awk '!seen[$0]++' "${1%.cpio}.lines" > "$list.tmp"
	cmp -s "$list" "$list.tmp" || settle "$list"
	rm -f "$list.tmp" "${1%.cpio}.lines"
	while read -r kind _ from _; do
		[ "$kind" != file ] || [ "$1" -nt "$from" ] || fresh=''
	done < "$list"
	[ -z "$fresh" ] || [ ! "$1" -nt "$list" ] || return 0
	[ -x "$gen" ] || { mkdir -p "${gen%/*}" && gcc -O2 -o "$gen" "$3/usr/gen_init_cpio.c"; } ||
		die 1 "cannot build gen_init_cpio"
	"$gen" -t 1704067200 "$list" > "$1.tmp" || die 1 "cannot write $1" "is the disk full?"
	settle "$1"
}

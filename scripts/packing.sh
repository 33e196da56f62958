# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by what makes images, after lib.sh: lines for gen_init_cpio, and the archive.

# skeleton [DIR]...: what every image has: busybox, the console, and directories, with these
skeleton()
{
	local d busybox

	busybox=$(command -v busybox) || die 69 "busybox is not installed" "install the package busybox-static (make doctor)"
	for d in /bin /dev /proc /sys "$@"; do
		echo "dir $d 0755 0 0"
	done
	echo "dir /tmp 1777 0 0"
	echo "nod /dev/console 0600 0 0 c 5 1"
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

# libraries FILE...: the shared libraries that they need, where they are looked for
libraries()
{
	local f

	ldd "$@" 2> /dev/null | sed -n 's,.*[[:space:]]\(/[^ ]*\) (.*,\1,p' | sort -u | while IFS= read -r f; do
		put "$f" "$f"
	done
}

# archive FILE.cpio OBJ TREE < LINES: by gen_init_cpio of a kernel; a line may come twice. The
# list stays beside it, as FILE.list, where scripts/boot looks for what is in there.
archive()
{
	local gen=$2/usr/gen_init_cpio list=${1%.cpio}.list

	awk '!seen[$0]++' > "$list"
	[ -x "$gen" ] || { mkdir -p "${gen%/*}" && gcc -O2 -o "$gen" "$3/usr/gen_init_cpio.c"; } ||
		die 1 "cannot build gen_init_cpio"
	"$gen" -t 1704067200 "$list" > "$1.tmp" || die 1 "cannot write $1" "is the disk full?"
	settle "$1"
}

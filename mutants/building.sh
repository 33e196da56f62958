# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # scripts/mutants has the variables
# Sourced by scripts/mutants: kernels with faults, from $TREE, in $OBJ; $work is for what is
# left over.

# stage CONFIG: the kernel without a fault, and what it takes to make others of it
stage()
{
	export CONFIG=$1
	OBJ=$(told OBJ)
	# the last run has left a fault behind, in the tree and in the object
	rm -f "$TREE/.laid/applied"
	[ ! -e "$OBJ/.sums" ] || sed -i "/eventfd\.c\$/d" "$OBJ/.sums"
	for step in tree kconfig kernel samples image; do
		"$TOP/scripts/$step"
	done
	cp "$TREE/fs/eventfd.c" "$work/eventfd.c"
}

# compile: eventfd.o by the command that made it
compile()
{
	local command
	command=$(sed -n 's/^savedcmd_fs\/eventfd\.o := //p' "$OBJ/fs/.eventfd.o.cmd")
	[ -n "$command" ] || return
	(cd "$OBJ" && bash -c "$command")
}

# relink: that, and what is linked from it. A make of all would first look into each
# directory of the kernel, which takes longer.
relink()
{
	compile || return
	# its archives are thin, but are to be newer than what was made of them
	touch "$OBJ/built-in.a"
	kmake_here -o . -o prepare LOCALVERSION=-eventfd "$(basename "$IMAGE")"
}

# twice COMMAND...: once more if it fails, as somebody may have killed the compiler; what it says
# goes to $work/build.log
twice() { "$@" < /dev/null > "$work/build.log" 2>&1 || "$@" < /dev/null > "$work/build.log" 2>&1; }

# switched: one kernel with all faults of $todo that can be in one, to $work/switched.image;
# those that cannot to $work/alone, and those that do not compile to $work/unbuilt, by number
switched()
{
	local source=$TREE/fs/eventfd.c i bad
	: > "$work/unbuilt"
	for _ in 1 2 3 4 5; do
		awk 'FILENAME ~ /unbuilt/ { skip[$1]; next } { print FNR in skip ? "-" : $1 }' "$work/unbuilt" "$work/todo" > "$work/chosen"
		rm -f "$source"
		"$TOP/mutants/plant" --switch "$work/eventfd.c" < "$work/chosen" > "$source" 2> "$work/alone"
		if twice relink; then
			cp "$OBJ/$IMAGE" "$work/switched.image"
			return
		fi
		bad=$(awk '/In function .*__[0-9]+\047/ { n = $0; gsub(/.*__|\047.*/, "", n) }
			/eventfd\.c:[0-9:]* error: / && n { sub(/.* error: /, ""); print n "\t" substr($0, 1, 60); n = "" }' "$work/build.log")
		[ -n "$bad" ] || break
		printf '%s\n' "$bad" >> "$work/unbuilt"
	done
	tail -20 "$work/build.log" >&2
	die 1 "the kernel with all faults does not build" "all of it: $work/build.log"
}

# plant NAME: into the tree
plant()
{
	rm -f "$TREE/fs/eventfd.c"
	"$TOP/mutants/plant" "$1" "$work/eventfd.c" > "$TREE/fs/eventfd.c"
}

# objtool NAME: what it says, which reads the object. What the compiler warns of is how faults
# are planted, too: that does not count. Fails if there is no object.
objtool()
{
	plant "$1"
	twice compile || return
	awk '/warning: objtool: / && !n++ { sub(/.*warning: /, ""); print substr($0, 1, 60) }' "$work/build.log"
}

# why_not: the last build failed
why_not()
{
	awk '/error: / && !n++ { sub(/.*error: /, ""); why = $0 }
		NF { last = $0 }
		END { gsub(/\t/, " ", why); print substr(n ? why : "without an error: " last, 1, 60) }' "$work/build.log"
}

# builder: hands on number and name of all in $todo, and builds those kernels that have to be
# built a little ahead of the guests
builder()
{
	local name n=0
	while IFS= read -r name; do
		n=$((n + 1))
		while [ "$(find "$work" -maxdepth 1 -name '*.image' | wc -l)" -gt $((guests + 2)) ]; do sleep 0.3; done
		if [ "$name" != none ] && grep -qx $n "$work/alone"; then
			plant "$name"
			if twice relink; then
				mv "$OBJ/$IMAGE" "$work/$n.image"
			else
				printf '%s\t%s\n' "$n" "$(why_not)" >> "$work/unbuilt"
			fi
		else
			ln "$work/switched.image" "$work/$n.image"
		fi
		echo "$n $name"
	done
}

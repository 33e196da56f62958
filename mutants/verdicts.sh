# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # scripts/mutants has the variables
# Sourced by scripts/mutants and mutants/report: what came of which fault, in $work/verdicts, a
# line each: name, digest of its function, CONFIG, killed|survived|unbuilt, by what, digest of the
# tests, seconds. A line is in $work/pending first, with the number of its batch.

# digest_of_tests: all that a verdict hangs on, beside the fault: what the tests of a guest are made
# from, KUnit's as well; what they look at; and what judges them
digest_of_tests()
{
	{
		(cd "$TOP" && {
			c_files selftests samples
			ls selftests/*_test.sh
			printf '%s\n' selftests/settings samples/efd_trace initramfs/init kernel-config/{base,x86_64,debug,kcsan}.config
			printf '%s\n' scripts/{complaints,splats,kcsan.awk,verdict,verdict.awk} mutants/try
		} | xargs sha256sum)
		sha256sum < "$work/eventfd.c"
		cd "$TREE" && sha256sum fs/eventfd_{kunit.c,trace.h} include/linux/eventfd.h
	} | digest
}

# standing DIR KEYS: those lines of DIR/verdicts that still hold: their function is the same, and
# they were made with the tests of DIR/tests, or by objtool, which knows of none
standing()
{
	awk -F'\t' -v tests="$(cat "$1/tests")" '
		NR == FNR { key[$1] = $2; next }
		$2 == key[$1] && ($6 == tests || $5 ~ /^objtool: /) && ($4 != "killed" || $5 !~ /^-?$/)' "$2" "$1/verdicts"
}

# killers: of standard input, lines as in verdicts, those that were killed by one test: name and test
killers()
{
	awk -F'\t' -v OFS='\t' '$4 == "killed" && $5 ~ /^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$/ { print $1, $5 }'
}

# killer NAME: the one test that has killed it on this kernel, if it was one; today it may be another.
# Who was not tried here yet has that of mutants/killers.
killer()
{
	local known
	known=$(awk -F'\t' -v name="$1" -v config="$CONFIG" '
		NR == FNR { key[$1] = $2; next }
		$1 == name && name in key && $2 == key[name] && $3 == config { line = $0 }
		END { if (line != "") print line }' "$work/keys" "$work/verdicts")
	if [ -n "$known" ]; then
		awk -F'\t' '$6 !~ /^-?$/' <<< "$known" | killers | cut -f2
	elif [ "$CONFIG" = base ]; then
		awk -F'\t' -v name="$1" '$1 == name { print $2 }' "$TOP/mutants/killers"
	fi
}

# by_chance WHAT: whether time or chance may have done it. Also a test of the suite stress finds
# what it finds by many tries.
by_chance()
{
	grep -qE '^(hangs|TIMEOUT|DIED|stress[. ])| # timeout|rcu.*stall|lockup|blocked for more than|failed to report alive state|do_boot_cpu failed|kmemleak|unreferenced object' <<< "$1"
}

# sort_out NAMES...: those of which nothing is known on this kernel to $todo, survivors to $alive;
# one that did not build may do so this time
sort_out()
{
	local name what
	local -A what_of=()
	while IFS=$'\t' read -r name what; do
		what_of[$name]=$what
	done < <(standing "$work" "$work/keys" | awk -F'\t' -v config="$CONFIG" '$3 == config && $4 != "unbuilt" { print $1 "\t" $4 }')
	todo=() alive=()
	for name; do
		case ${what_of[$name]:-} in
		'') todo+=("$name") ;;
		survived) alive+=("$name") ;;
		esac
	done
}

# row NAME VERDICT BY SECONDS: a line for verdicts
row()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$(sed -n "s/^$1	//p" "$work/keys")" \
		"$CONFIG" "$2" "$3" "$tests" "$4"
}

# record BATCH NAME VERDICT BY SECONDS: as row, once the control of that batch has passed
record()
{
	(
		flock 9
		printf '%s\t%s\n' "$1" "$(row "${@:2}")" >> "$work/pending"
		hand_over
	) 9> "$work/pending.lock"
}

# passed BATCH: its control has; what came of the others was not this machine's doing
passed()
{
	(
		flock 9
		echo "$1" >> "$work/passed"
		hand_over
	) 9> "$work/pending.lock"
}
hand_over()
{
	awk -F'\t' -v verdicts="$work/verdicts" '
		FILENAME ~ /passed$/ { passed[$1]; next }
		$1 in passed { sub(/^[^\t]*\t/, ""); print >> verdicts; next }
		{ print }' "$work/passed" "$work/pending" > "$work/pending.tmp"
	settle "$work/pending"
}

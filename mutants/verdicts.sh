# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # scripts/mutants has the variables
# Sourced by scripts/mutants: what came of which fault, in $work/verdicts.

# known: what came of which fault on this kernel, as far as that is still true
known()
{
	awk -F'\t' -v config="$CONFIG" -v tests="$tests" '
		NR == FNR { key[$1] = $2; next }
		$2 == key[$1] && $3 == config && ($4 != "survived" || $6 == tests) { found[$1] = $4 }
		END { for (name in found) print name "\t" found[name] }' "$work/keys" "$work/verdicts"
}

# sort_out NAMES...: those of which nothing is known on this kernel to $todo, survivors to $alive
sort_out()
{
	local name what
	local -A what_of=()
	while IFS=$'\t' read -r name what; do
		what_of[$name]=$what
	done < <(known)
	todo=() alive=()
	for name; do
		case ${what_of[$name]:-} in
		'') todo+=("$name") ;;
		survived) alive+=("$name") ;;
		esac
	done
}

# record NAME VERDICT BY SECONDS
record()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$(sed -n "s/^$1	//p" "$work/keys")" \
		"$CONFIG" "$2" "$3" "$tests" "$4" >> "$work/verdicts"
}

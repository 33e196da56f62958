# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by the verbs that run the same tests in many guests and end with a table
# of them, arches and bases. What has passed for the very same files is not repeated, so an
# interrupted run goes on where it was; AGAIN=1 repeats all.

# rows_begin VERB: whose table it is; sets $work, where it and what it is made of are, and $again
rows_begin()
{
	unset TEST UPTO
	again=''
	! flag AGAIN || again=1
	work=$O/$1
	claim
	mkdir -p "$work"
	: > "$work/rows"
}

# made_of ARCH BASE SERIES: what the result is made of: names and contents, as one that has come or gone counts
# as well. What is only for other architectures, configurations or verbs is left out.
made_of()
{
	local dir others=()
	for dir in "$TOP"/selftests/*/; do
		dir=$(basename "$dir")
		[[ $(noted suites) == *"$dir/"* ]] || others+=(! -path "selftests/$dir/*")
	done
	{
		echo "$1 $2 $3 $KDIR $CONFIG ${ACCEL:-} ${CPUS:-}"
		if [ -n "$KDIR" ]; then
			sums "$KDIR"
		else
			stat -L -c '%s %Y' "$(BASE=$2 told BASE_TARBALL)" 2> /dev/null || :
		fi
		cd "$TOP" || exit
		{
			find initramfs patches scripts selftests -type f ! -path 'patches/expected/*' \
				! -path 'scripts/arch/*' "${others[@]}"
			c_files samples
			ls -d samples/{Makefile,efd_trace} Makefile kernel.mk qemu-run.sh quiltrc "scripts/arch/$1" "kernel-config/base.config" "kernel-config/$1.config"
			fragments | sed "s,^$TOP/,,"
		} | sort | xargs sha256sum
	} | digest
}

# counts DIR: what its summary says, or a dash for each if the run did not come to one
counts()
{
	local key value
	for key in passed beyond failed skipped seconds; do
		value=''
		[ ! -e "$1/summary.json" ] || value=$(sed -n "s/.*\"$key\": *\([0-9.]*\).*/\1/p" "$1/summary.json")
		echo "${value:--}"
	done | paste -sd'\t'
}

# row NAME ARCH BASE SERIES TITLE TEXT: builds and runs that, or fails; the row begins with what
# TITLE, a command, says when all is done. TEXT is for who waits.
row()
{
	local row=$work/$1 knobs=(ARCH="$2" BASE="$3" SERIES="$4") title=$5 run start built status=0 now
	echo "$1" >> "$work/rows"
	now=$(made_of "$2" "$3" "$4")
	if [ -z "$again" ] && [ -e "$row.row" ] && [ "$(cat "$row.passed" 2> /dev/null)" = "$now" ]; then
		say "${work##*/}" "$6: has passed for these files"
		return
	fi
	run=$(ARCH=$2 BASE=$3 SERIES=$4 told RUN)
	no_guest_in "$run"
	rm -f "$row.passed" "$row.row" "$run/summary.json" "$run/cmdline"
	say "${work##*/}" "$6"
	start=$SECONDS
	make -C "$TOP" build "${knobs[@]}" < /dev/null >&2 || status=$?
	built=$((SECONDS - start))
	[ $status != 0 ] || make -C "$TOP" retest "${knobs[@]}" < /dev/null > "$row.out" || status=$?
	printf '%s\t%s\t%s\n' "$($title "$1" "$run")" "$built" "$(counts "$run")" > "$row.row"
	# what was changed meanwhile has not been shown
	if [ $status = 0 ] && [ "$(made_of "$2" "$3" "$4")" = "$now" ]; then
		echo "$now" > "$row.passed.tmp"
		settle "$row.passed"
	fi
	return $status
}

# row_without NAME TEXT: that there was nothing to run
row_without()
{
	echo "$1" >> "$work/rows"
	rm -f "$work/$1.passed"
	printf '%s\t-\t-\t-\t-\t-\t-\n' "$2" > "$work/$1.row"
}

# rows_end HEADING ALIGNMENT: the table, and what the verb ends with
rows_end()
{
	local name passed=0 failed=0 absent=0
	{
		echo "| $1 | build, s | passed | fails as it must | failed | skipped | tests, s |"
		echo "|$2|--:|--:|--:|--:|--:|--:|"
		while read -r name; do
			sed 's/\t/ | /g; s/^/| /; s/$/ |/' "$work/$name.row"
		done < "$work/rows"
	} > "$work/table.tmp"
	settle "$work/table"
	cat "$work/table"
	while read -r name; do
		if [ -e "$work/$name.passed" ]; then
			passed=$((passed + 1))
		elif grep -q $'\t-\t-\t-\t-\t-\t-$' "$work/$name.row"; then
			absent=$((absent + 1))
		else
			failed=$((failed + 1))
		fi
	done < "$work/rows"
	echo "$passed passed, $failed failed$([ $absent = 0 ] || echo ", $absent not at hand"), $SECONDS s, ${work#"$PWD/"}/table"
	[ $failed = 0 ]
}

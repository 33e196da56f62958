# SPDX-License-Identifier: GPL-2.0
# semantics.awk: what scripts/semantics checks, and says. One program, though a long one: each
# list that it reads is held against all others.

function complain(what,	at) {
	if ((at = index(what, top)))
		what = substr(what, 1, at - 1) substr(what, at + length(top))
	print what > "/dev/stderr"
	wrong = 1
}
# suite.fixture.variant.test without the variant, as in the source
function base(name,	p) {
	return split(name, p, ".") == 4 ? p[1] "." p[2] "." p[4] : name
}
function squeeze(text) { gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text); return text }
# The tests that a pattern stands for: how many; their names go to hits[].
function match_tests(glob,	re, suite, some, n, i) {
	re = glob
	gsub(/\./, "\\.", re)
	gsub(/\*/, ".*", re)
	re = "^" re "$"
	suite = glob
	sub(/\..*/, "", suite)
	if (suite in of_suite)
		n = split(of_suite[suite], some, " ")
	nr_hits = 0
	for (i = 1; i <= n; i++)
		if (some[i] ~ re)
			hits[++nr_hits] = some[i]
	return nr_hits
}
# What is above a test, and the test: remembers what is quoted there.
function source_test(name,	part, n, i) {
	source[name] = FILENAME ":" FNR
	n = split(squeeze(comment), part, "\"")
	if (n && n % 2 == 0)
		complain(source[name] ": a quote that does not end")
	for (i = 2; i <= n; i += 2) {
		quote[++nr_quotes] = part[i]
		quote_of[nr_quotes] = name
	}
	comment = ""
}
# A quote may leave words out (...), put some in [like this], and end before the sentence does.
function stands_in(text, sentence,	part, n, i, at) {
	gsub(/\[[^]]*\]/, "...", text)
	if (text !~ /\.\.\.$/)
		sub(/[.,;:]$/, "", text)
	n = split(text, part, "\\.\\.\\.")
	for (i = 1; i <= n; i++) {
		part[i] = squeeze(part[i])
		at = index(sentence, part[i])
		if (!at)
			return 0
		sentence = substr(sentence, at + length(part[i]))
	}
	return 1
}
# "| id | sentence | tests | patch |"
function row(line,	cell, glob, n, i, j, k, since, all, late, first) {
	gsub(/\\\|/, "\001", line)
	split(line, cell, "|")
	for (i = 2; i <= 5; i++) {
		gsub("\001", "|", cell[i])
		cell[i] = squeeze(cell[i])
	}
	id = cell[2]
	sentence[id] = cell[3]
	where = page ":" FNR ": " id
	nr_rows++
	k = j = id
	sub(/-.*/, "", k)
	sub(/.*-/, "", j)
	if (j != ++last_of[k])
		complain(where ": ids of " k " are to be counted from 1, without gaps")
	if (cell[3] == "")
		complain(where ": no sentence")

	since = all = 0
	if (cell[4] ~ /^untested: ./) {
		since = cell[5]
		if (cell[5] !~ /^[0-9]+$/ || cell[5] + 0 < 1 || cell[5] + 0 > last_patch)
			complain(where ": from which patch on? the last column is for you to fill in, as there are no tests")
	} else if (cell[4] !~ /`/) {
		complain(where ": no test; write one, or \"untested: REASON\"")
	} else {
		n = split(cell[4], glob, /[` ]+/)
		for (i = 1; i <= n; i++) {
			if (glob[i] == "")
				continue
			if (!match_tests(glob[i])) {
				complain(where ": no test in patches/expected matches " glob[i])
				continue
			}
			for (j = 1; j <= nr_hits; j++) {
				named[hits[j]] = 1
				k = base(hits[j])
				if (index(rows_of[k] " ", " " id " ") == 0)
					rows_of[k] = rows_of[k] " " id
				first = from[hits[j]]
				if (first > all)
					all = first
				# see the page, on its last column
				late = hits[j] ~ /^(kunit|stress|memory)\.|^[^.]*\.[^.]*\.[^.]*semaphore[^.]*\./
				if (!late && first > since)
					since = first
			}
		}
		if (!since)
			since = all
		if (!write && since && cell[5] != since)
			complain(where ": its tests pass from patch " since " on, not from " (cell[5] == "" ? "none" : cell[5]) "; scripts/semantics --write fills it in")
	}
	return since
}

FNR == 1 { comment = ""; inside = 0 }

# absent.txt: what a kernel without eventfd passes, from the first patch on;
# last.txt comes last: what is only for the whole series
FILENAME ~ /\/expected\/[a-z0-9]+\.txt$/ {
	patch = FILENAME
	sub(/.*\//, "", patch)
	patch += 0
	if (patch > last_patch)
		last_patch = patch
	if (!patch)
		patch = FILENAME ~ /\/absent\.txt$/ ? 1 : last_patch
	from[$1] = patch
	tests[++nr_tests] = $1
	split($1, p, ".")
	of_suite[p[1]] = of_suite[p[1]] " " $1
	next
}

# Sources: a comment counts if it ends right above the test.
FILENAME ~ /_test\.c$|\.patch$/ {
	line = $0
	if (FILENAME ~ /\.patch$/ && !sub(/^\+/, "", line))
		next
	if (line ~ /^\/\*/) { comment = ""; inside = 1 }
	if (inside) {
		ends = line ~ /\*\//
		sub(/^\/?[ \t]*\*+\/?/, "", line)
		sub(/\*\/.*/, "", line)
		comment = comment " " line
		inside = !ends
		next
	}
	if (line ~ /^TEST(_F)?(_[A-Z]+)?\([a-z]/) {
		suite = FILENAME
		sub(/.*\//, "", suite)
		sub(/_test\.c$/, "", suite)
		in_fixture = line ~ /^TEST_F/
		sub(/^[A-Z_]*\(/, "", line)
		sub(/\).*/, "", line)
		split(line, p, /[ ,]+/)
		source_test(suite "." (in_fixture ? p[1] "." p[2] : "global." p[1]))
	} else if (line ~ /^static void [a-z_]+_test_[a-z0-9_]+\(struct kunit \*test\)$/) {
		sub(/^static void /, "", line)
		sub(/\(.*/, "", line)
		source_test("kunit." line)
	} else if (line != "") {
		comment = ""
	}
	next
}

FILENAME ~ /beyond-stock$/ {
	sub(/#.*/, "")
	if (NF == 2)
		letter[$1] = $2
	next
}

/^\| [A-Za-z]+-[0-9]+ \|/ {
	since = row($0)
	if (write && since)
		sub(/\|[^|]*\|$/, "| " since " |")
	is_row = FNR
}
/^\|/ && is_row != FNR && !/^\| \| what holds \| tests \| from \|$/ && !/^\|---\|---\|---\|--:\|$/ {
	complain(page ":" FNR ": no sentence of the form \"| id-1 | what holds | `tests` | patch |\": " substr($0, 1, 60))
}
{ text[++nr_lines] = $0 }

END {
	if (!nr_rows)
		complain(page ": no sentences")
	for (i = 1; i <= nr_tests; i++) {
		k = base(tests[i])
		recorded[k] = 1
		if (!(k in source) && !(k in gone) && (gone[k] = 1))
			complain("patches/expected: there is no test " k)
		if (!(tests[i] in named) && !(k in idle) && (idle[k] = 1))
			complain("it proves no sentence of " page ": " tests[i])
		if (tests[i] in letter) {
			n = split(rows_of[k], p, " ")
			good = 0
			for (j = 1; j <= n; j++)
				good = good || index(p[j], letter[tests[i]] "-") == 1
			if (!good && !((k, letter[tests[i]]) in strange) && (strange[k, letter[tests[i]]] = 1))
				complain(page ": no difference " letter[tests[i]] " names " tests[i] ", which the stock kernel must fail for it")
		}
	}
	for (k in source)
		if (!(k in recorded))
			complain(source[k] ": " k " is in no list of patches/expected")
	for (i = 1; i <= nr_quotes; i++) {
		k = quote_of[i]
		if (!(k in rows_of))
			continue
		n = split(rows_of[k], p, " ")
		good = 0
		for (j = 1; j <= n; j++)
			good = good || stands_in(quote[i], sentence[p[j]])
		if (!good)
			complain(source[k] ": quotes what none of" rows_of[k] " says: \"" quote[i] "\"")
	}
	if (write)
		for (i = 1; i <= nr_lines; i++)
			print text[i] > (page ".tmp")
	exit wrong
}

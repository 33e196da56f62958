# SPDX-License-Identifier: GPL-2.0
# verdict.awk: reads results.tap for scripts/verdict. Prints lines KEY=VALUE, and "fail SUITE
# TEST" (TEST is - if the suite failed as a whole) with what it said behind it, each line after
# a bar. Lines that are not TAP count as said by the test that runs. The file that -v list=
# names has the tests that must fail, that of -v claims= those that must pass; -v some= says
# that not all were asked for.

# "ok 3 - name # SKIP why": sets good, number, name, outcome
function result(text) {
	good = text ~ /^ok/
	sub(/^(not )?ok /, "", text)
	number = text + 0
	sub(/^[0-9]+[ \t]*(- )?/, "", text)
	outcome = ""
	if (match(text, /(^|[ \t])# */)) {
		outcome = substr(text, RSTART + RLENGTH)
		text = substr(text, 1, RSTART - 1)
	}
	sub(/[ \t]+$/, "", text)
	name = text == "" ? "number-" number : text
	skip = toupper(outcome) ~ /^SKIP/ || (!good && toupper(outcome) ~ /^TODO/)
}
function failure(suite, test, text) {
	failed++
	print "fail\t" suite "\t" test
	gsub(/[^\n]*\n/, "|&", text)
	printf "%s", text
}
function begin() {
	suite = plan = trouble = said = running = ""
	results = fails = rightly = open = 0
	split("", seen)
}
# A suite is over: the outer result came, or (good = -1) it never will.
function finish(name, good, skip, why,	i) {
	for (i = 1; i <= fails; i++)
		failure(name, test[i], text[i])
	if (trouble == "" && good >= 0) {
		if (skip && !results && (plan == "" || plan == 0))
			skipped++
		else if (plan == "")
			trouble = results ? "no plan" : "no output"
		else if (results != plan)
			trouble = results " results, the plan says " plan
		else if (plan == 0)
			trouble = "no tests"
	}
	# the status of a suite says nothing new if one of its tests says why
	if (good == 0 && !skip && (!(fails + rightly) || why !~ /^exit status 1$/))
		trouble = why (why != "" && trouble != "" ? "; " : "") trouble
	if (good == 0 && !skip && !(fails + rightly) && trouble == "")
		trouble = "not ok"
	if (trouble != "")
		failure(name, "-", said "    # " name ": " trouble "\n")
	broken[name] = trouble != ""
	begin()
}
# A test of those that had to run has not.
function missing(full, why,	suite, name) {
	suite = name = full
	sub(/\..*/, "", suite)
	sub(/^[^.]*\./, "", name)
	if (!broken[suite]) failure(suite, name, "    # " why "\n")
}
BEGIN {
	begin()
	while (list != "" && (getline line < list) > 0) {
		sub(/#.*/, "", line)
		if (split(line, word, " ")) { must_fail[word[1]] = word[2]; listed[++nr_listed] = word[1] }
		if (word[3] == "may-skip") may_skip[word[1]]
	}
	while (claims != "" && (getline line < claims) > 0) claimed[++nr_claimed] = line
}
/^1\.\.[0-9]+/ {
	if (outer != "") complaint = complaint " two outer plans;"
	outer = substr($1, 4) + 0
	if (/no test matches/) nomatch = substr($0, index($0, "no test"))
	next
}
/^(not )?ok [0-9]+( |$)/ {
	result($0)
	if (outer_seen[number]++) complaint = complaint " suite number " number " twice;"
	if (number < 1 || (outer != "" && number > outer))
		complaint = complaint " suite number " number ";"
	suites++
	finish(suite != "" ? suite : name, good, skip, outcome)
	next
}
/^    KTAP version / {
	if (open) { finish(suite == "" ? "?" : suite, -1); complaint = complaint " a suite without result;" }
	open = 1
	next
}
/^    # Subtest: / && suite == "" { suite = $3; open = 1; next }
/^    1\.\.[0-9]+/ {
	if (plan != "") trouble = "two plans"
	plan = substr($1, 4) + 0
	open = 1
	next
}
/^    (not )?ok [0-9]+( |$)/ {
	line = $0
	sub(/^    /, "", line)
	result(line)
	if (number in seen) trouble = "number " number " twice"
	else results++
	if (number < 1 || (plan != "" && number > plan)) trouble = "number " number " is not in the plan"
	seen[number] = open = 1
	full = suite "." name
	if (full in must_fail) judged[full] = 1
	if (!skip) ran[full] = 1
	else reason[full] = " (" outcome ")"
	if (skip && full in must_fail && !(full in may_skip)) {
		# it has not shown that it would notice what this kernel lacks
		test[++fails] = name
		text[fails] = said line "\n    # it skips itself, but this kernel must fail it, " must_fail[full] ": let it run, or name it in selftests/may-skip\n"
	}
	else if (skip) skipped++
	else if (good && full in must_fail) {
		test[++fails] = name
		text[fails] = said "    # it passes, but this kernel must fail it: " must_fail[full] "\n"
	}
	else if (good) passed++
	else if (full in must_fail) { beyond++; rightly++ }
	else { test[++fails] = name; text[fails] = said line "\n" }
	said = running = ""
	next
}
/^    Bail out!/ { trouble = substr($0, 5); next }
/^    #  RUN / { running = $3; said = ""; next }
/^# eventfd-guest: release=/ { release = substr($3, 9); next }
/^# eventfd-guest: end, / { closing = 1; next }
NF && !/^K?TAP version/ { if (length(said) < 4000) said = said $0 "\n" }
END {
	where = suite (running != "" ? "." running : "")
	if (open) {
		if (results && running == "" && plan != "" && results < plan)
			trouble = "ends after " results " of " plan
		finish(suite == "" ? "?" : suite, -1)
	}
	# where a suite did not run to its end, that is what is wrong
	for (i = 1; i <= nr_listed && !some && closing; i++)
		if (!(listed[i] in judged)) missing(listed[i], "it was not run, but this kernel must fail it: " must_fail[listed[i]])
	for (i = 1; i <= nr_claimed && !some && closing; i++)
		if (!(claimed[i] in ran) && !(claimed[i] in must_fail))
			missing(claimed[i], "it has not run" reason[claimed[i]] ", but has to: let it run, or name it in selftests/may-skip")
	if (outer == "") complaint = complaint " no plan;"
	else if (suites < outer) complaint = complaint " " suites + 0 " of " outer " suites have a result;"
	gsub(/[^A-Za-z0-9_.+-]/, "", release)
	gsub(/[^A-Za-z0-9_.-]/, "", where)
	print "passed=" passed + 0; print "beyond=" beyond + 0; print "failed=" failed + 0; print "skipped=" skipped + 0
	print "nomatch=" nomatch; print "closing=" closing + 0; print "release=" release
	print "where=" where; print "complaint=" complaint
}

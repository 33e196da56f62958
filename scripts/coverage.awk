# SPDX-License-Identifier: GPL-2.0
# coverage.awk: judges what scripts/coverage has counted. Reads selftests/unreached, eventfd.c, and
# what lcov says of it, eventfd.info. Prints what was not reached, with its reason, and the reasons
# that nothing needs: they would hide what is not reached later. Where chance decides, which a ?
# behind the number says, nobody can tell from one run. The figures go to -v figures=.
# Fails as scripts/coverage says.
function percent(part, of) { return sprintf("%.1f %% (%d of %d)", of ? 100 * part / of : 0, part, of) }

BEGIN { FS = "[:,]" }
FILENAME ~ /unreached$/ { if (!/^#/ && split($0, word, "\t") == 3) { chance[word[1]] = sub(/\?$/, "", word[2]); most[word[1]] = word[2] + 0; reason[word[1]] = word[3] }; next }
FILENAME ~ /\.c$/ { sub(/^[ \t]+/, ""); text[FNR] = $0; there[$0] = 1; next }
/^DA:/ { lines++; if ($3) hit++; else miss[$2] = "line" }
/^BRDA:/ {
	branches++
	if ($5 != "-" && $5 > 0) taken++
	else { never[$2]++; if (!($2 in miss)) miss[$2] = "branch" }
}
END {
	for (n = 1; n in text; n++)
		if (n in miss) {
			why = reason[text[n]]
			if ((most[text[n]] -= miss[n] == "line" ? 1 : never[n]) < 0 && why != "")
				why = "MORE BRANCHES than selftests/unreached has a reason for: " (-most[text[n]])
			printf "%-6s %4d  %s%s\n", miss[n], n, text[n], (never[n] > 1 ? "   (" never[n] " of its branches)" : "")
			printf "             %s\n", why == "" ? "NO REASON in selftests/unreached" : why
			if (why == "" || why ~ /^MORE BRANCHES/) unexplained++
		}
	for (line in most)
		if (reason[line] != "" && most[line] > 0 && chance[line] && line in there)
			printf "reached this time, by chance: %d of %s\n", most[line], line
		else if (reason[line] != "" && most[line] > 0) {
			printf "NOT NEEDED in selftests/unreached, as it was reached: %d of %s\n", most[line], line
			stale++
		}
	printf "lines %s, branches %s%s%s\n", percent(hit, lines), percent(taken, branches),
		unexplained ? ", " unexplained " without a reason" : "", stale ? ", " stale " with a reason for nothing" : "" > figures
	exit !lines || hit < lines || taken < 0.95 * branches || unexplained > 0 || stale > 0
}

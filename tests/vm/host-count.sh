# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# Run several things that each end in "N passed, N failed, N skipped", and end in
# such a line for all of them. Sourced, never run.

passed=0 failed=0 skipped=0 failures=
count_log=$(mktemp)
trap 'rm -f "$count_log"' EXIT

# add TITLE COMMAND...: run it and add what its closing line counts. One that fails
# without counting a failure (it did not build, it died) is one failure.
add() {
	local title=$1 status=0 counts p f s
	shift
	echo "== $title"
	"$@" 2>&1 | tee "$count_log" || status=$?
	counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$count_log" | tail -n 1)
	read -r p f s <<<"${counts:-0 0 0}"
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
		echo "FAIL  $title: status $status" | tee -a "$count_log"
	fi
	# Sorted, as one that counts inside this one has named them twice.
	[ "$f" -eq 0 ] || failures+=$(grep '^FAIL  ' "$count_log" | sort -u || true)$'\n'
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The closing line, below what failed once more; fails where something did, or nothing was run.
closing_line() {
	printf %s "$failures"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# What a power cut could have left at each mark, a flush or a FUA write that a test disk has
# done, by the log that the disk kept of itself (payload=1, from its first write on). This is
# what dm-log-writes is for; but that one logs what is completed above the disk, which is
# where the product is. Sourced after lib.sh.

# take_recording DISK [AFTER]: the log of a disk that nobody writes any more, which is removed.
# Marks behind the record AFTER count.
take_recording() {
	[ "$(test_disk_says "$1" log_dropped)" -eq 0 ] || fail "the log of $1 is too small"
	cp "/sys/kernel/debug/tm-disk/$1/log" /tmp/recording
	recorded_bytes=$(disk_bytes "/dev/$1")
	disklog marks /tmp/recording "${2:-0}" >/tmp/marks
	test_disk remove "$1"
	check modprobe loop
}

# choose NR: that many of the marks, by SEED, in their order.
choose() {
	awk -v nr="$1" -v left="$(wc -l </tmp/marks)" -v seed="$SEED" '
		BEGIN { srand(seed) }
		rand() * left < nr { print; nr-- }
		{ left-- }' /tmp/marks
}

# at_marks NR COMMAND...: for so many of the marks, in the disk's order, make /tmp/mark what is
# durable there and for each second one some of what is not, and run COMMAND SEQ TIME_NS.
at_marks() {
	local nr=$1 before=0 nth=0 seq time
	shift
	[ "$(wc -l </tmp/marks)" -ge "$nr" ] || fail "there are only $(wc -l </tmp/marks) marks"
	rm -f /tmp/durable
	truncate -s "$recorded_bytes" /tmp/durable
	while read -r seq time; do
		disklog durable /tmp/recording /tmp/durable "$before" "$seq" || fail "mark $seq"
		cp /tmp/durable /tmp/mark
		[ $((nth % 2)) -eq 0 ] || disklog survive /tmp/recording /tmp/mark "$seq" "$((SEED + seq))"
		"$@" "$seq" "$time"
		before=$seq
		nth=$((nth + 1))
	done < <(choose "$nr")
	[ "$nth" -eq "$nr" ] || fail "only $nth marks were looked at"
	echo "$nth of $(wc -l </tmp/marks) marks are good"
}

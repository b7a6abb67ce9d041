#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What a backup that is under way costs whoever uses the disk: the latency of reads and writes
# of 4 KiB at random, half of each, with a millisecond between them, while an increment of
# MIB is read, over their latency while nothing is backed up. Without limits, with --rate 8M,
# and with --rate 8M --io-class idle, which is what is called limited. In turn, the medians of
# ROUNDS rounds.
#
# The disk does one request of at most 64 KiB after the other, each in half a millisecond
# (128 MiB/s), behind mq-deadline, Debian's scheduler for disks of one queue. The repository is
# in memory. The machine has one processor, so waiting for it counts.

# shellcheck source=../vm/lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:tm-disk fio jq

ROUNDS=${ROUNDS:-3}
MIB=${MIB:-48}
export TIDEMARK_REPOSITORY=/tmp/tidemark

# What the increment has to read: new each time, and most of it easy to store.
overwrite() {
	fio --name=fill --filename=/dev/td0 --rw=write --bs=1M --size="${MIB}M" --direct=1 \
		--ioengine=psync --refill_buffers --buffer_compress_percentage=90 \
		--randseed="$RANDOM" --output=/dev/null
}

back_up() {
	tidemark backup /dev/td0 "$@" 2>/tmp/said || fail "$(</tmp/said)"
}

requests_of_disk() {
	awk '{ print $1 + $5 }' /sys/block/td0/stat
}

requests_beyond() {
	[ "$(requests_of_disk)" -gt "$1" ]
}

# measure NAME COMMAND...: p50, p99 and max of what others see meanwhile, in microseconds.
measure() {
	local name=$1 fio before
	shift
	before=$(requests_of_disk)
	fio --name=user --filename=/dev/td0 --rw=randrw --bs=4k --size="${MIB}M" --direct=1 \
		--ioengine=psync --thinktime=1000 --unified_rw_reporting=1 --randseed=1 \
		--time_based --runtime=600 --eta=never --output-format=json --output=/tmp/fio.json &
	fio=$!
	wait_until 60 requests_beyond $((before + 20))
	"$@"
	kill -TERM "$fio" # then it reports what it has
	wait "$fio" || true
	# It says first that it was told to end.
	sed -n '/^{/,/^}/p' /tmp/fio.json | jq -r '.jobs[0].mixed.clat_ns |
		[.percentile["50.000000"], .percentile["99.000000"], .max, .N] | map(. / 1000) | @tsv' \
		>>"/tmp/$name"
	echo "$name: $(tail -n 1 "/tmp/$name")"
}

# median NAME COLUMN
median() {
	cut -f "$2" "/tmp/$1" | sort -n | sed -n "$(((ROUNDS + 1) / 2))p"
}

ratio() {
	awk -v a="$(median "$1" "$2")" -v b="$(median idle "$2")" 'BEGIN { printf "%.2f", a / b }'
}

test_disk add td0 size="${MIB}M" depth=1 max_kb=64 delay_us=500
echo 64 >/sys/block/td0/queue/nr_requests # for one tag it would sort no more than two
grep -H . /sys/block/td0/queue/{scheduler,nr_requests}
load_module
check tidemark init "$TIDEMARK_REPOSITORY"
overwrite
check tidemark attach /dev/td0
cleanup tidemark detach /dev/td0
back_up
for _ in $(seq "$ROUNDS"); do
	measure idle sleep 2
	overwrite
	measure plain back_up
	overwrite
	measure rate back_up --rate 8M
	overwrite
	measure limited back_up --rate 8M --io-class idle
done
echo "bench gentle, the rate alone: p50_vs_idle=$(ratio rate 1) p99_vs_idle=$(ratio rate 2)" \
	"max_vs_idle=$(ratio rate 3)"
echo "bench gentle: p50_vs_idle=$(ratio plain 1) p99_vs_idle=$(ratio plain 2)" \
	"max_vs_idle=$(ratio plain 3) limited_p50_vs_idle=$(ratio limited 1)" \
	"limited_p99_vs_idle=$(ratio limited 2) limited_max_vs_idle=$(ratio limited 3)"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A disk of 8 TiB keeps chunks of 64 KiB, with at most 2.1 MiB per TiB for the tracker,
# and three times that while a cut is open, and an increment on it reads what changed and no more.
# Writes beyond 2^32 sectors and over the last chunk's border are where they belong.
#
# vm: disks=8T,8T mem=768 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark dmsetup rawagent

# tracker_takes MAPS: at most 2.1 MiB per TiB for each bitmap.
tracker_takes() {
	local kib
	kib=$(tracker_kib)
	echo "$kib KiB for 8 TiB in $1 maps"
	[ "$kib" -gt 0 ] || fail "the tracker's memory was not found"
	[ "$kib" -le $((8 * $1 * 21 * 1024 / 10)) ] || fail "more than $1 bits per chunk"
}

tracker_kib() {
	awk '/\[dm_tidemark\]/ && !/module/ { sum += $2 } END { print int(sum / 1024) }' /proc/vmallocinfo
}

# write_chunks CHUNK...: 4 KiB into each chunk of both disks, the second being the truth.
# Odd chunks get a block that lies over the border to the next one.
write_chunks() {
	local chunk at
	for chunk; do
		at=$((chunk * 128 + chunk % 2 * 124))
		dd if=/dev/urandom of=/tmp/block bs=4096 count=1 status=none
		dd if=/tmp/block of=/dev/vda bs=512 seek="$at" oflag=direct conv=notrunc status=none
		dd if=/tmp/block of=/dev/vdb bs=512 seek="$at" oflag=direct conv=notrunc status=none
	done
}

# increment NR CHUNK...: that many were read, and they are what the truth has there.
increment() {
	local nr=$1 chunk
	shift
	rawagent image /dev/mapper/volume /dev/vda /tmp/image | tee /tmp/said
	grep -q "^frozen $nr read $nr " /tmp/said || fail "not $nr chunks"
	for chunk; do
		cmp <(dd if=/tmp/image bs=64K skip="$chunk" count=1 status=none) \
			<(dd if=/dev/vdb bs=64K skip="$chunk" count=1 iflag=direct status=none) ||
			fail "chunk $chunk differs"
	done
}

load_module
check tidemark attach /dev/vda --name volume
cleanup tidemark detach volume
tidemark status --json >/tmp/status
[ "$(json '.attachments[0].chunk_bytes' </tmp/status)" -eq 65536 ] || fail "another chunk size"
[ "$(json '.attachments[0].total_chunks' </tmp/status)" -eq $((1 << 27)) ] || fail "another count"
tracker_takes 1

check rawagent adopt /dev/mapper/volume
increment 0
last=$(((1 << 27) - 1))
chunks=(0 7 65536 33554431 67108864 100000000 "$last")
# The odd ones but the last touch two chunks each: 7 and 8, 33554431 and 33554432.
write_chunks 0 7 65536 33554431 67108864 100000000
dd if=/tmp/block of=/dev/vda bs=4096 seek=$(((last + 1) * 16 - 1)) oflag=direct conv=notrunc status=none
dd if=/tmp/block of=/dev/vdb bs=4096 seek=$(((last + 1) * 16 - 1)) oflag=direct conv=notrunc status=none
increment 9 "${chunks[@]}" 8 33554432
increment 0
write_chunks 67108864
increment 1 67108864
tracker_takes 1

rawagent hold /dev/mapper/volume ring=262144 >/tmp/held &
holder=$!
wait_until 30 grep -q cut /tmp/held
tracker_takes 3
kill "$holder"
wait "$holder" || true
tracker_takes 1

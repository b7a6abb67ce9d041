#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The smallest ring, chunks of 4 KiB, random writes, a slow reader: the cut is lost,
# again and again. What was written is known all the same: from the image of the
# last good cut, the next one makes exactly what the device held.
#
# vm: disks=8M mem=640 timeout=240 long=1800

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent shadow

# image FILE [OPTION]...: status 3 is a lost cut
image() {
	local status=0
	(shadowed_image "$shadow_log" /dev/mapper/volume /dev/vda "$@") >/tmp/said 2>&1 || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || cat /tmp/said
	return "$status"
}

lost_cuts() {
	dmsetup status volume | sed -E 's/.* lost ([0-9]+) .*/\1/'
}

load_module
check dmsetup create volume \
	--table "0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0 4 chunk_sectors 8 stall_ms 10"
cleanup dmsetup remove volume
start_shadow /dev/vda 200
check image /tmp/image full ring=16777216

nr=$(rounds 10 100)
for round in $(seq "$nr"); do
	status=0
	cp /tmp/image /tmp/lost
	image /tmp/lost ring=65536 slow=20000 full || status=$?
	[ "$status" -eq 3 ] || fail "status $status from a ring that must overflow"
	image /tmp/image ring=16777216 || fail "round $round"
	grep -q '^frozen [1-9]' /tmp/said || fail "nothing was dirty: nothing was proved"
done
tail -n 2 /tmp/said
[ "$(lost_cuts)" -eq "$nr" ] || fail "$(lost_cuts) cuts lost, not $nr"
stop_shadow "$shadow"
check rawagent image /dev/mapper/volume /dev/vda /tmp/image
same_device /tmp/image /dev/vda

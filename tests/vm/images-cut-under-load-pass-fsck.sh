#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Twenty points cut under load, without a freeze: each one, restored, mounts with a
# journal replay, passes fsck, and holds every file that was synced before its cut.
#
# vm: disks=128M,128M,1G mem=1024 timeout=900

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

protect_ext4 /dev/vda /dev/vdc
start_writer /mnt/data/tree
wait_for_synced 20

for round in $(seq 20); do
	wait_for_synced $((20 + 5 * round))
	tidemark backup /dev/vda --no-freeze --json >/tmp/backup
	cut_time=$(json cut_time_ns </tmp/backup)
	# The log as it was when the cut was surely over: what comes later is not judged.
	cp "$writer_log" /tmp/log
	check tidemark restore "$(json point </tmp/backup)" /dev/vdb --force
	fsck_ext4 /dev/vdb
	check mount -t ext4 -o ro /dev/vdb /tmp/replay
	check ckverify /tmp/replay/tree /tmp/log --before "$cut_time"
	check umount /tmp/replay
	echo "image $round of 20 is good"
done
stop_writer "$writer"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# virtio, NVMe, SCSI and loop devices, with sectors of 512 and of 4096 bytes: the
# image of a mounted disk that is written all the time, through its file system and
# past it, is exact at the cut.
#
# vm: disks=48M,48M:virtio:4096,48M:nvme,48M:nvme:4096,48M:scsi,48M:scsi:4096 mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:nvme dmsetup rawagent bios same

# A file system on the first 32 MiB, raw writes behind it.
prove() {
	local node=$1
	block=$(blockdev --getss "$node")
	echo "== $node, sectors of $block bytes"
	blocks+=" $block"
	check mkfs.ext4 -q -F "$node" 32M
	mount_ext4 "$node" /mnt/data
	rm -f /tmp/writer.log
	start_writer /mnt/data/tree
	wait_for_synced 5
	trace_start
	track volume "$node"
	image volume full slow=300
	[ "$(said volume preserved)" -gt 0 ] || fail "no write came in the reader's way"
	check bios write "$node" $((40 << 20)) "$((3 * block))"
	check bios uring "$node" $((36 << 20 | 65536 - block)) "$((2 * block))"
	wait_for_synced 15
	sync_and_freeze /mnt/data
	image volume
	exact volume
	thaw /mnt/data
	# The journal's commits: a flush before the data, and FUA with it.
	issued "$node" 'FWF.*' || fail "no such bio was queued"
	stop_writer "$writer"
	check umount /mnt/data
	expect_frozen volume "$(dirty volume)"
	expect_frozen volume 0
	check bios write "$node" 0 "$block"
	expect_frozen volume 1
	untrack volume
}

load_module
check modprobe loop
truncate -s 48M /tmp/backing
loop=$(losetup -f --show /tmp/backing)
cleanup losetup -d "$loop"
loop4k=$(losetup -b 4096 -f --show /tmp/backing)
cleanup losetup -d "$loop4k"

# Which SCSI disk comes first is chance.
blocks=''
for node in /dev/vda /dev/vdb /dev/nvme0n1 /dev/nvme1n1 /dev/sda /dev/sdb "$loop" "$loop4k"; do
	prove "$node"
done
[ "$(tr ' ' '\n' <<<"$blocks" | sort | uniq -c | xargs)" = '1 4 4096 4 512' ] ||
	fail "these were the sectors' sizes:$blocks"

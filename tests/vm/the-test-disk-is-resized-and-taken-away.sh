#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The test disk is resized while open, and taken away while a file system is
# mounted on it and being written.
#
# vm: mem=768 timeout=180
# 5.10 warns of a file that is written where the disk is gone ("bdi not registered").
# vm: warns=__mark_inode_dirty

# shellcheck source=lib.sh
. lib.sh

requires module:tm-disk

test_disk add td0 size=8M
exec 5</dev/td0
test_disk resize td0 size=16M
[ "$(disk_bytes /dev/td0)" -eq $((16 << 20)) ] || fail "did not grow"
echo end | dd of=/dev/td0 bs=1 seek=$(((16 << 20) - 4)) conv=fsync status=none
test_disk resize td0 size=4M
[ "$(disk_bytes /dev/td0)" -eq $((4 << 20)) ] || fail "did not shrink"
! dd if=/dev/zero of=/dev/td0 bs=4k seek=1024 count=1 oflag=direct status=none 2>/dev/null ||
	fail "a write beyond the end"
exec 5<&-
test_disk remove td0
[ ! -e /sys/block/td0 ] || fail "still there"

# Under load, with requests under way for long.
for verb in remove unplug remove unplug; do
	test_disk add td1 size=128M delay_us=20000
	make_ext4 -E nodiscard /dev/td1
	mount_ext4 /dev/td1 /mnt
	dd if=/dev/td1 of=/dev/null bs=64k iflag=direct status=none 2>/dev/null &
	direct=$!
	start_writer /mnt/tree
	wait_for_synced 5
	test_disk "$verb" td1
	wait "$writer" && fail "the writer noticed nothing"
	# It met an error, or the end of a disk that has shrunk to nothing.
	wait "$direct" || true
	check umount /mnt
	[ ! -e /sys/block/td1 ] || fail "still there"
done

# The name is free again, and the module can go with disks in it.
test_disk add td0 size=8M
test_disk add td1 size=8M mode=null

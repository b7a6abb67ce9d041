#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The test disk gives back what was written to it, whatever the block sizes, queues
# and order of completion, and its log tells how that came about.
#
# vm: mem=768 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires module:tm-disk fio

# 5.10's io_uring hands out EAGAIN where a write that must not wait is split.
engine=io_uring
! kernel_older_than 5.15 || engine=libaio

# Written, read back and compared by fio.
exercise() {
	local disk=$1 bytes=$2
	check fio --name="$disk" --filename="/dev/$disk" --direct=1 --rw=randwrite --norandommap=0 \
		--bsrange="$bytes-64k" --blockalign="$bytes" --size=8M --ioengine=$engine --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --minimal >/tmp/fio
}

same_as_log() {
	local disk=$1
	[ "$(test_disk_says "$disk" log_dropped)" -eq 0 ] || fail "the log was too small"
	truncate -s "$(disk_bytes "/dev/$disk")" /tmp/image
	check disklog replay "/sys/kernel/debug/tm-disk/$disk/log" /tmp/image
	same_device "/dev/$disk" /tmp/image
	rm /tmp/image
}

test_disk add td0 size=16M logical=512 physical=512 log=32M payload=1
test_disk add td1 size=16M logical=4096 queues=2 log=32M payload=1 cache=1
test_disk add td2 size=16M logical=1024 queues=3 depth=7 max_kb=32 log=32M payload=1 \
	delay_us=200 window=6 seed=5
[ "$(blockdev --getss /dev/td2)$(blockdev --getpbsz /dev/td2)" = 10244096 ] || fail "block sizes"
exercise td0 512
exercise td1 4096
exercise td2 1024
for disk in td0 td1 td2; do
	same_as_log "$disk"
	check blkdiscard -o 1M -l 3M "/dev/$disk"
	check blkdiscard -z -o 5M -l 4096 "/dev/$disk"
	[ "$(test_disk_says "$disk" discards)" -gt 0 ] || fail "no discard came"
	[ "$(test_disk_says "$disk" write_zeroes)" -gt 0 ] || fail "no write-zeroes came"
	same_as_log "$disk"
	check cmp -i 1048576:0 -n 3145728 "/dev/$disk" /dev/zero
done

# A file system, and a disk larger than all memory.
test_disk add td3 size=8T window=4 seed=1 delay_us=50
make_ext4 -E nodiscard -O ^has_journal /dev/td3 200M
test_disk add td4 size=128M queues=2 window=4 seed=1
make_ext4 /dev/td4
mount_ext4 /dev/td4 /mnt
start_writer /mnt/tree
wait_for_synced 100
stop_writer "$writer"
umount /mnt
fsck_ext4 /dev/td4
mount_ext4 /dev/td4 /mnt
check ckverify /mnt/tree "$writer_log"

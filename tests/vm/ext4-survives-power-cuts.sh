#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# ext4 keeps what it synced through power cuts that lose what was not flushed, with
# and without FUA. No Tidemark in it: crash tests of the product stand on this.
#
# vm: mem=768 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires module:tm-disk ckverify

# Nobody flushes this, so that something is lost.
write_unsynced() {
	fallocate -l 1M "$1"
	while dd if=/dev/urandom of="$1" bs=4k count=256 oflag=direct conv=notrunc status=none; do :; done 2>/dev/null
}

# Under load, again and again; on until something was lost: even so, at times nothing
# waits for a flush when the power goes.
survive() {
	local disk=$1 round unsynced
	make_ext4 "/dev/$disk"
	for round in $(seq 12); do
		mount_ext4 "/dev/$disk" "/mnt/$disk"
		writer_log=/tmp/$disk.$round.log
		start_writer "/mnt/$disk/tree" "$round"
		write_unsynced "/mnt/$disk/unsynced" &
		unsynced=$!
		wait_for_synced 60
		test_disk power_cut "$disk" "seed=$round"
		# It dies of the first write that fails.
		wait "$writer" && fail "the writer noticed nothing"
		wait "$unsynced"
		check umount "/mnt/$disk"
		test_disk power_on "$disk"
		fsck_ext4 "/dev/$disk"
		mount_ext4 "/dev/$disk" "/mnt/$disk"
		check ckverify "/mnt/$disk/tree" "$writer_log"
		check umount "/mnt/$disk"
		[ "$round" -lt 3 ] || [ "$(test_disk_says "$disk" dropped)" -eq 0 ] || break
	done
	[ "$(test_disk_says "$disk" dropped)" -gt 0 ] || fail "nothing was lost: nothing was shown"
	[ "$(test_disk_says "$disk" kept)" -gt 0 ] || fail "everything was lost"
}

test_disk add td0 size=256M cache=1
survive td0
[ "$(test_disk_says td0 fua)" -gt 0 ] || fail "no FUA write came"
test_disk add td1 size=256M cache=1 fua=0 window=4 seed=3 queues=2
survive td1
[ "$(test_disk_says td1 fua)" -eq 0 ] || fail "FUA came to a disk without"

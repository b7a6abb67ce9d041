#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Between saving and resuming the volume is mounted and one block of a file is written in
# place, as from a rescue disk: the next attach never goes on from what was saved. Whether it
# was unmounted or the power failed, at once or after a while; ext4 and xfs. With nothing but
# an attempt in between it does go on.
#
# vm: disks=32M,64M,384M,24M,64M mem=768 timeout=600 long=20000

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-reboot.sh
. lib-reboot.sh

requires tidemark module:dm-tidemark module:xfs

stages=$(rounds 3 20)
times=$(rounds 2 250)

# A point of what is there now, by which the next state counts.
renew() {
	tidemark backup "$1" --quiet >/dev/null || fail "status $? from: backup $1"
	saved "$1"
}

written_and_unmounted() {
	mount_volume "$1" "$2"
	write_in_place
	check umount /mnt/data
	rescanned "$2" 'its file system was mounted, or changed'
}

mounted_only() {
	mount_volume "$1" "$2"
	check umount /mnt/data
	rescanned "$2" 'its file system was mounted, or changed'
}

untouched() {
	resumed "$1"
	saved "$1"
	resumed "$1"
}

# The file system is mounted, and the power fails right behind the write, or later.
written_before_the_power_fails() {
	saved_and_mounted ext4 /dev/vda
	saved_and_mounted xfs /dev/vdb
	[ $((STAGE % 2)) -eq 1 ] || sleep 2
	# Neither an unmount nor a sync.
	reboot_hard
}

saved_and_mounted() {
	mkdir -p "/mnt/$1"
	check mount -t "$1" "$2" "/mnt/$1"
	check dd if=/dev/urandom of="/mnt/$1/file" bs=4096 count=1 seek=$((RANDOM % 2048)) \
		conv=notrunc oflag=direct status=none
}

backed_up_exactly() {
	tidemark backup "$1" --json >/tmp/backup || fail "status $? from: backup $1"
	check tidemark restore "$(json point </tmp/backup)" /dev/vde --force --quiet
	cmp -n "$(disk_bytes "$1")" <(read_media "$1") <(read_media /dev/vde) ||
		fail "the point of $1 differs"
}

load_module settle_ms=60000
if [ "$STAGE" -eq 1 ]; then
	make_keepers
	make_volume ext4 /dev/vda
	make_volume xfs /dev/vdb
	check tidemark attach /dev/vda
	check tidemark attach /dev/vdb
else
	mount_keepers
	rescanned /dev/vda 'its ext4 is mounted, or was not unmounted'
	# Its log ends as it did: only what each mount writes in front of its head tells.
	rescanned /dev/vdb 'its xfs is mounted, or was not unmounted'
	mount_volume ext4 /dev/vda
	check umount /mnt/data
	mount_volume xfs /dev/vdb
	check umount /mnt/data
fi
for ((i = 0; i < times; i++)); do
	for volume in 'ext4 /dev/vda' 'xfs /dev/vdb'; do
		read -r type device <<<"$volume"
		renew "$device"
		written_and_unmounted "$type" "$device"
		renew "$device"
		mounted_only "$type" "$device"
		renew "$device"
		untouched "$device"
	done
done
backed_up_exactly /dev/vda
backed_up_exactly /dev/vdb
if [ "$STAGE" -lt "$stages" ]; then
	saved /dev/vda
	saved /dev/vdb
	written_before_the_power_fails
fi
check tidemark detach /dev/vda
check tidemark detach /dev/vdb
check tidemark verify

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The classic way in: the file system is on the mapped device, which claims the
# disk. Images are as exact as on a live disk, also where the hook is somebody
# else's, and the mapped device can be suspended and reloaded under load.
#
# vm: disks=128M mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark module:tm-hook-taker dmsetup rawagent

volume=/dev/mapper/volume
table="0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"

image() {
	rawagent image "$volume" /dev/vda /tmp/image "$@"
}

cut_is_active() {
	[[ $(dmsetup status volume) == *' active '* ]]
}

# Cut while the device is frozen and known, then let the writer overtake the reader.
image_under_load() {
	sync_and_freeze /mnt/data
	check dd if=/dev/vda of=/tmp/truth bs=1M iflag=direct status=none
	image slow=3000 "$@" >/tmp/said &
	reader=$!
	wait_until 10 cut_is_active
	thaw /mnt/data
	wait "$reader"
	cat /tmp/said
	same_device /tmp/image /tmp/truth
	! grep 'preserved 0 ' /tmp/said || fail "no write came in the reader's way: nothing was proved"
}

load_module
check modprobe tm-hook-taker
cleanup modprobe -r tm-hook-taker
check dmsetup create volume --table "$table 3 stacked stall_ms 2000"
cleanup dmsetup remove volume
dmsetup table volume | grep ' 5 chunk_sectors 128 stall_ms 2000 stacked$'
refused 32 'already mounted or mount point busy' mount -t ext4 /dev/vda /mnt

make_ext4 "$volume"
mount_ext4 "$volume" /mnt/data
start_writer /mnt/data/tree
wait_for_synced 10
image_under_load full
for round in 1 2 3; do
	wait_for_synced $((round * 20))
	rm -rf /mnt/data/old
	mkdir /mnt/data/old
	cp /mnt/data/tree/* /mnt/data/old/ 2>/dev/null || true
	fstrim /mnt/data
	image_under_load
done

# What a reload may change and what it may not, with writes on their way.
for round in $(seq 10); do
	check dmsetup reload volume --table "$table 3 stacked stall_ms $((round * 100))"
	check dmsetup suspend volume
	check dmsetup resume volume
done
dmsetup table volume | grep ' stall_ms 1000 stacked$'
refused 1 'nvalid argument' dmsetup reload volume --table "$table"
refused 1 'nvalid argument' dmsetup reload volume --table "$table 3 stacked chunk_sectors 8"
wait_for_synced 100
image_under_load

stop_writer "$writer"
check umount /mnt/data
image
same_device /tmp/image /dev/vda
check e2fsck -fn /dev/vda

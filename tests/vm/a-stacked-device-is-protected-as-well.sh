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
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:tm-hook-taker dmsetup rawagent

volume=/dev/mapper/volume
table="0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"

load_module
check modprobe tm-hook-taker
cleanup modprobe -r tm-hook-taker
track volume /dev/vda 0 "" stacked stall_ms 2000
dmsetup table volume | grep ' 5 chunk_sectors 128 stall_ms 2000 stacked$'
refused 32 'already mounted or mount point busy' mount -t ext4 /dev/vda /mnt

make_ext4 "$volume"
mount_ext4 "$volume" /mnt/data
start_writer /mnt/data/tree
wait_for_synced 10
image_under_load volume full
for round in 1 2 3; do
	wait_for_synced $((round * 20))
	rm -rf /mnt/data/old
	mkdir /mnt/data/old
	cp /mnt/data/tree/* /mnt/data/old/ 2>/dev/null || true
	fstrim /mnt/data
	image_under_load volume
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
image_under_load volume

stop_writer "$writer"
check umount /mnt/data
image volume
exact volume
check e2fsck -fn /dev/vda

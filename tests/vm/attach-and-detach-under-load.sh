#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Attaching, detaching and unloading while a file system is written, again and
# again, disturbs nothing.
#
# vm: disks=256M mem=768 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
sectors=$(blockdev --getsz /dev/vda)
start_writer /mnt/data/tree
wait_for_synced 10

for round in $(seq 10); do
	load_module
	dmsetup create volume --table "0 $sectors tidemark track /dev/vda 0"
	dmsetup create nested --table "0 $((sectors - 2048)) tidemark track /dev/vda 2048 2 chunk_sectors 8"
	dmsetup status
	refused 1 'busy' dmsetup create twice --table "0 $sectors tidemark track /dev/vda 0"
	sleep 0.2
	check dmsetup remove nested
	[ $((round % 2)) = 0 ] || wait_for_synced $((10 + round))
	check dmsetup remove volume
	unload_module
done

stop_writer "$writer"
check umount /mnt/data
check e2fsck -fn /dev/vda

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Attaching, cutting, suspending, reloading, detaching and unloading while a file
# system and a raw device are written, again and again: no write is lost, by the
# writers' own logs, every image is one of a moment, and no memory is kept.
#
# Emulated processors take turns here: where they run at once, one was seen for ever at
# an instruction that another had changed, most likely a fault of QEMU before 8.1.
#
# vm: disks=128M,8M mem=768 timeout=400 long=9000 thread=single

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent shadow

volume_table="0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"
nested_table="0 $(($(blockdev --getsz /dev/vda) - 2048)) tidemark track /dev/vda 2048 2 chunk_sectors 8"
raw_table="0 $(blockdev --getsz /dev/vdb) tidemark track /dev/vdb 0"

attach_all() {
	dmsetup create volume --table "$volume_table"
	dmsetup create nested --table "$nested_table"
	dmsetup create raw --table "$raw_table"
}

# In another order each time.
detach_all() {
	case $(($1 % 3)) in
	0) names=(nested volume raw) ;;
	1) names=(raw volume nested) ;;
	2) names=(volume raw nested) ;;
	esac
	for name in "${names[@]}"; do
		dmsetup remove "$name"
	done
}

image_raw() {
	shadowed_image "$shadow_log" /dev/mapper/raw /dev/vdb /tmp/image "$@"
}

# Full, then what was written meanwhile; and a cut that its end finds open.
cut_raw() {
	image_raw full
	image_raw
	rawagent hold /dev/mapper/raw full >/tmp/held &
	wait_until 10 grep -q cut /tmp/held
	kill -KILL $!
}

suspend_and_reload() {
	dmsetup suspend volume
	dmsetup load volume --table "$volume_table"
	[ $(($1 % 2)) -eq 0 ] || dmsetup suspend raw
	dmsetup resume volume
	dmsetup resume raw
}

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
start_writer /mnt/data/tree
start_shadow /dev/vdb 2000
wait_for_synced 10
nr=$(rounds 50 1000)
load_module

for round in $(seq "$nr"); do
	attach_all
	[ $((round % 10)) -ne 5 ] || cut_raw
	[ $((round % 3)) -ne 0 ] || suspend_and_reload "$round"
	detach_all "$round"
	if [ $((round % 10)) -eq 1 ]; then
		unload_module
		[ "$round" -ne 11 ] || memory_in_use >/tmp/memory
		load_module >/dev/null
	fi
	[ $((round % 10)) -ne 0 ] || echo "cycle $round of $nr, $(grep -c '^synced ' "$writer_log") files synced"
done
unload_module
no_memory_kept /tmp/memory $((nr - 11))

stop_shadow "$shadow"
stop_writer "$writer"
check umount /mnt/data
mount_ext4 /dev/vda /mnt/again
check ckverify /mnt/again/tree "$writer_log"
check umount /mnt/again
check e2fsck -fn /dev/vda

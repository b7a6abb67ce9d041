#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The stream, begun on a file system in use and replayed up to a cut, is the device
# as it was frozen at that cut; replayed to its end, the device as it is. With a
# fuzzy first image and with a preserved one.
#
# vm: disks=96M,1G mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark dmsetup rawstream

# said WORD: the number behind the latest WORD that the follower said.
said() {
	sed -nE "s/^$1 ([0-9]+).*/\1/p" /tmp/said | tail -1
}

# What the device holds while frozen must be what the stream says of this cut.
cut_while_frozen() {
	sync_and_freeze /mnt/data
	check dd if=/dev/vda of="/mnt/work/truth-$1" bs=1M iflag=direct status=none
	kill -USR1 "$follower"
	wait_until 30 has_said cut "$1"
	said cut >"/mnt/work/epoch-$1"
	thaw /mnt/data
}

same_at_each_cut() {
	for round in 1 2 3; do
		check rawstream replay "$1" /mnt/work/image "$(cat /mnt/work/epoch-$round)"
		same_device /mnt/work/image "/mnt/work/truth-$round"
	done
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/work

for first_image in fuzzy precise; do
	make_ext4 /dev/vda
	mount_ext4 /dev/vda /mnt/data
	check dmsetup create volume --table "0 $(blockdev --getsz /dev/vda) tidemark stream /dev/vda 0 2 stall_ms 60000"
	start_writer /mnt/data/tree
	wait_for_synced 5
	options=(slow=300)
	[ "$first_image" = fuzzy ] || options+=(precise)
	follow /dev/vda "/mnt/work/$first_image" "${options[@]}"
	wait_until 60 has_said scanned 1
	for round in 1 2 3; do
		wait_for_synced $((10 + round * 10))
		cut_while_frozen "$round"
	done
	check dmsetup message volume 0 mark before the end
	stop_writer "$writer"
	check umount /mnt/data
	stop_following
	dmsetup status volume | tee /dev/stderr | grep ' gaps 0 '
	same_at_each_cut "/mnt/work/$first_image"
	check rawstream replay "/mnt/work/$first_image" /mnt/work/image
	same_device /mnt/work/image /dev/vda
	rawstream list "/mnt/work/$first_image" >/tmp/list
	grep -q '^mark 0 0 before the end$' /tmp/list
	grep -q '^flush' /tmp/list
	check dmsetup remove volume
	rm -r "/mnt/work/$first_image" "$writer_log"
done

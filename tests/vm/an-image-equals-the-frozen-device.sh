#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A full image and increments, read slowly while the file system is written, hold
# the very bytes that the device held at the cut; and only what was written since
# the last cut is frozen.
#
# vm: disks=128M mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent

image() {
	rawagent image /dev/mapper/volume /dev/vda /tmp/image "$@"
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
	[ "$(said preserved)" -gt 0 ] || fail "no write came in the reader's way: nothing was proved"
}

cut_is_active() {
	[[ $(dmsetup status volume) == *' active '* ]]
}

# Number behind a word of what the latest image said.
said() {
	sed -E "s/.*$1 ([0-9]+).*/\1/" /tmp/said
}

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
check dmsetup create volume --table "0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"
cleanup dmsetup remove volume
check rawagent calls /dev/mapper/volume

start_writer /mnt/data/tree
image_under_load full
[ "$(said frozen)" -eq 2048 ] || fail "a full cut freezes every chunk"
for round in 1 2 3; do
	wait_for_synced $((round * 10))
	image_under_load
	[ "$(said frozen)" -lt 2048 ] || fail "an increment froze everything"
done

# Nothing written: nothing frozen. One chunk written: one chunk frozen.
stop_writer "$writer"
check umount /mnt/data
image
image | grep '^frozen 0 '
check dd if=/dev/urandom of=/dev/vda bs=4096 seek=5000 count=1 oflag=direct conv=notrunc status=none
image | grep '^frozen 1 read 1 '
same_device /tmp/image /dev/vda

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
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark dmsetup rawagent

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
track volume /dev/vda
check rawagent calls /dev/mapper/volume

start_writer /mnt/data/tree
image_under_load volume full
[ "$(said volume frozen)" -eq 2048 ] || fail "a full cut freezes every chunk"
for round in 1 2 3; do
	wait_for_synced $((round * 10))
	image_under_load volume
	[ "$(said volume frozen)" -lt 2048 ] || fail "an increment froze everything"
done

# Nothing written: nothing frozen. One chunk written: one chunk frozen.
stop_writer "$writer"
check umount /mnt/data
image volume
expect_frozen volume 0
check dd if=/dev/urandom of=/dev/vda bs=4096 seek=5000 count=1 oflag=direct conv=notrunc status=none
expect_frozen volume 1

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What was synced is there after a reset under load. No Tidemark in it: this is
# the ground that crash tests of the product stand on.
#
# vm: disks=256M timeout=120

# shellcheck source=lib.sh
. lib.sh

mount_keep
if [ "$STAGE" -eq 1 ]; then
	make_ext4 /dev/vda
	mount_ext4 /dev/vda /mnt
	writer_log=/keep/writer.log
	start_writer /mnt/tree
	wait_for_synced 200
	reboot_hard
fi

fsck_ext4 /dev/vda
mount_ext4 /dev/vda /mnt
check ckverify /mnt/tree /keep/writer.log

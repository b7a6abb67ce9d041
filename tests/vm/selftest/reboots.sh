#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# vm: disks=64M timeout=90

# shellcheck source=../lib.sh
. lib.sh

mount_keep
if [ "$STAGE" -eq 1 ]; then
	make_ext4 /dev/vda
	mount_ext4 /dev/vda /mnt
	echo before >/mnt/synced
	check sync /mnt/synced
	echo here >/keep/note
	cleanup touch /keep/cleanups-must-not-run
	reboot_hard
fi

[ "$STAGE" -eq 2 ]
[ "$(</keep/note)" = here ]
[ ! -e /keep/cleanups-must-not-run ]
mount_ext4 /dev/vda /mnt
[ "$(</mnt/synced)" = before ]

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Detached with --save behind the last unmount, and attached with --resume in front of the
# first mount of the next boot: the next backup reads only what was written before and since,
# and is exact. On ext4 and on xfs, boot after boot.
#
# vm: disks=64M,64M,384M,24M,64M mem=768 timeout=400 long=3000

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-reboot.sh
. lib-reboot.sh

requires tidemark module:dm-tidemark module:xfs

stages=$(rounds 3 20)
few=$((16 * 1024 * 1024))

write_before_and_shut_down() {
	mount_volume "$1" "$2"
	write_in_place
	check dd if=/dev/urandom of="/mnt/data/$STAGE" bs=64K count=3 conv=fsync status=none
	refused 3 'is mounted from it and takes writes' tidemark detach "$2" --save
	check umount /mnt/data
	saved "$2"
}

go_on() {
	resumed "$2"
	mount_volume "$1" "$2"
	write_in_place
	check umount /mnt/data
	backed_up "$2" incremental
	[ "$(json read_bytes </tmp/backup)" -lt "$few" ] || fail "read too much"
	[ "$(json changed_bytes </tmp/backup)" -ge 65536 ] || fail "nothing has changed"
}

load_module settle_ms=60000
if [ "$STAGE" -eq 1 ]; then
	make_keepers
	make_volume ext4 /dev/vda
	make_volume xfs /dev/vdb
	for device in /dev/vda /dev/vdb; do
		check tidemark attach "$device"
		# Made as it is told here: nothing is known, so nothing can be saved.
		not_saved "$device" 'no backup was made'
		rescanned "$device" 'nothing was saved of it'
		backed_up "$device" full
	done
else
	mount_keepers
	go_on ext4 /dev/vda
	go_on xfs /dev/vdb
fi
if [ "$STAGE" -lt "$stages" ]; then
	write_before_and_shut_down ext4 /dev/vda
	write_before_and_shut_down xfs /dev/vdb
	shut_down
fi
check tidemark detach /dev/vda
check tidemark detach /dev/vdb
check tidemark verify

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The machine is reset while it tracks, with a state saved before and without one: everything
# is read, what was changed is found, and nothing else is stored.
#
# vm: disks=64M,64M,384M,24M,64M mem=768 timeout=400

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-reboot.sh
. lib-reboot.sh

requires tidemark module:dm-tidemark module:xfs

# A journal that was replayed is a change as well.
few=$((12 * 1024 * 1024))

write_and_stay_mounted() {
	mkdir -p "/mnt/$1"
	check mount -t "$1" "$2" "/mnt/$1"
	check dd if=/dev/urandom of="/mnt/$1/more" bs=64K count=5 conv=fsync status=none
}

found() {
	rescanned "$2" "$3"
	mount_volume "$1" "$2"
	check umount /mnt/data
	backed_up "$2" full
	[ "$(json changed_bytes </tmp/backup)" -ge $((5 * 65536)) ] || fail "what was written is missing"
	[ "$(json changed_bytes </tmp/backup)" -lt "$few" ] || fail "known content counts as changed"
}

load_module settle_ms=60000
if [ "$STAGE" -eq 1 ]; then
	make_keepers
	make_volume ext4 /dev/vda
	make_volume xfs /dev/vdb
	for device in /dev/vda /dev/vdb; do
		check tidemark attach "$device"
		backed_up "$device" full
	done
	# One of them has a state of a while ago, which was used.
	saved /dev/vda
	resumed /dev/vda
	write_and_stay_mounted ext4 /dev/vda
	write_and_stay_mounted xfs /dev/vdb
	sync
	reboot_hard
fi
mount_keepers
found ext4 /dev/vda 'nothing was saved of it'
found xfs /dev/vdb 'nothing was saved of it'
check tidemark detach /dev/vda
check tidemark detach /dev/vdb
check tidemark verify

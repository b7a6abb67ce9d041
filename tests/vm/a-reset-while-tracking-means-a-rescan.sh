#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The machine is reset while it tracks, and while a backup runs: the file system has
# what was synced, the repository every point that was made, and the first backup
# after it reads everything, stores little, and is exact.
#
# vm: disks=64M,64M,256M mem=768 timeout=400 long=2400

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
stages=$(rounds 4 20)

nr_points() {
	tidemark points --json | json 'points | length'
}

volume_is_cut() {
	[[ $(dmsetup status tidemark-vda) == *' active '* ]]
}

backed_up() {
	tidemark backup /dev/vda --json >/tmp/backup
	jq -c '{kind, read_bytes, stored_bytes}' </tmp/backup
	[ "$(json kind </tmp/backup)" = "$1" ] || fail "not $1"
	[ "$STAGE" -eq 1 ] || [ "$(json changed_bytes </tmp/backup)" -lt "$(disk_bytes /dev/vda)" ] ||
		fail "known content counts as changed"
}

# The point of a frozen file system, byte for byte.
exact_when_frozen() {
	sync_and_freeze /mnt/data
	tidemark backup /dev/vda --no-freeze --json >/tmp/backup
	check tidemark restore "$(json point </tmp/backup)" /dev/vdb --force
	same_device /dev/vda /dev/vdb
	thaw /mnt/data
}

mount_keep
load_module
if [ "$STAGE" -eq 1 ]; then
	make_ext4 /dev/vdc
	make_ext4 /dev/vda
else
	fsck_ext4 /dev/vda
fi
mount_ext4 /dev/vdc /mnt/repository
mount_ext4 /dev/vda /mnt/data
if [ "$STAGE" -eq 1 ]; then
	check tidemark init "$TIDEMARK_REPOSITORY"
	echo 0 >/keep/points
else
	check ckverify /mnt/data/tree /keep/writer.log
	[ "$(nr_points)" -ge "$(</keep/points)" ] || fail "a point is gone"
	check tidemark verify
fi
check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda
backed_up full
exact_when_frozen
[ "$STAGE" -lt "$stages" ] || exit 0

writer_log=/keep/writer.log
start_writer /mnt/data/tree "$STAGE"
sleep 1
backed_up incremental
nr_points >/keep/points
if [ $((STAGE % 2)) -eq 0 ]; then
	tidemark backup /dev/vda --full --quiet &
	wait_until 30 volume_is_cut
fi
sleep 0.$((RANDOM % 10))
reboot_hard

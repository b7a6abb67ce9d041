#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The disk of the root file system of a running system: attached, cut with the file
# system frozen under every program that runs, backed up to another disk, restored.
#
# vm: disks=320M,640M,320M mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

root=/mnt/root

# All of this system but the kernel's modules; what is mounted elsewhere comes along.
move_to_disk() {
	local dir
	make_ext4 /dev/vda
	mount_ext4 /dev/vda "$root"
	tar -C / --one-file-system --exclude=./mnt --exclude=./tmp --exclude=./run --exclude=modules -cf - . |
		tar -C "$root" -xf -
	for dir in dev proc sys run tmp mnt; do
		mkdir -p "$root/$dir"
	done
	for dir in dev proc sys run tmp; do
		check mount --rbind "/$dir" "$root/$dir"
		cleanup umount -lR "$root/$dir"
	done
}

# From here on every program, and this shell, is on the disk.
if [ -z "${ON_DISK:-}" ]; then
	requires tidemark module:dm-tidemark chroot
	load_module
	move_to_disk
	ON_DISK=1 check chroot "$root" /bin/bash "/vm/test/$(basename "$0")"
	exit
fi

cd /root || exit
[ "$(findmnt -no SOURCE /)" = /dev/vda ] || fail "the root is on $(findmnt -no SOURCE /)"
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda

writer_log=/tmp/writer.log
start_writer /srv/tree
wait_for_synced 5
check tidemark backup /dev/vda --quiet
# Memory is taken away, so that programs come from the disk again.
echo 3 >/proc/sys/vm/drop_caches
wait_for_synced 15
tidemark backup /dev/vda --quiet --json >/tmp/backup
cat /tmp/backup
[ "$(json kind </tmp/backup)" = incremental ] || fail "not an increment"
[ "$(json freeze </tmp/backup)" = true ] || fail "it was not frozen"
check tidemark restore latest /dev/vdc --quiet
mkdir -p /mnt/restored
check mount -t ext4 /dev/vdc /mnt/restored
check ckverify /mnt/restored/srv/tree "$writer_log" --before "$(json cut_time_ns </tmp/backup)"
check umount /mnt/restored
check e2fsck -fn /dev/vdc

# And to the byte, with the root frozen for as long as that takes.
stop_writer "$writer"
echo 'the last word' >/etc/last
sync_and_freeze /
check tidemark backup /dev/vda --no-freeze --quiet
check tidemark restore latest /dev/vdc --force --quiet
check same /dev/vda 0 "$(blockdev --getsz /dev/vda)" /dev/vdc
thaw /

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Chunks of the smallest and the largest size, volumes that end within a chunk,
# and a range of a device: every point is exact, full and incremental, and taken
# while the device is written.
#
# vm: disks=16M,16M,256M mem=640 timeout=400

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

scribble() {
	while [ -e /tmp/scribble ]; do
		dd if=/dev/urandom of=/dev/vda bs=512 seek=$((RANDOM % 32000)) count=$((RANDOM % 64 + 1)) \
			oflag=direct conv=notrunc status=none
	done
}

# exact NAME START SECTORS: the latest point is what the range holds now.
exact() {
	check tidemark restore latest /mnt/disk/image -r "$repository" --force --quiet
	cmp <(dd if=/dev/vda bs=512 skip="$2" count="$3" iflag=direct status=none) /mnt/disk/image ||
		fail "the point of $1 differs"
	[ "$(stat -c %s /mnt/disk/image)" -eq $(($3 * 512)) ] || fail "the image has another size"
}

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/disk
check dd if=/dev/urandom of=/dev/vda bs=1M count=16 oflag=direct status=none
all=$(blockdev --getsz /dev/vda)

for size in 4K 64K 1M; do
	repository=/mnt/disk/$size
	check tidemark init "$repository" --chunk-size "$size"
	for range in "0 $all" "1 30001" "4095 1"; do
		read -r start sectors <<<"$range"
		check tidemark attach /dev/vda --name part --chunk-size "$size" --start "$start" --sectors "$sectors"
		touch /tmp/scribble
		scribble &
		check tidemark backup part -r "$repository" --quiet
		check tidemark backup part -r "$repository" --quiet
		rm /tmp/scribble
		wait
		tidemark backup part -r "$repository" --json >/tmp/backup
		[ "$(json volume_bytes </tmp/backup)" -eq $((sectors * 512)) ] || fail "another size"
		exact "part $range, $size" "$start" "$sectors"
		check tidemark detach part
	done
	check tidemark verify -r "$repository"
done

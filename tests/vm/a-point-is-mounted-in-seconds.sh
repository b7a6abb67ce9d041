#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Restore points of mounted file systems are mounted beside them: files are what they were at
# the cut, journals are replayed, what is written is gone afterwards, and the repository does
# not change. The process that answers may die at any time.
#
# vm: disks=64M,320M,512M mem=1024 timeout=600

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:xfs
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

point_of() {
	json point </tmp/backup
}

# What the point of a file system holds, as it was when nobody wrote.
sums() {
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

processes() {
	{ grep -lx tidemark /proc/[0-9]*/comm 2>/dev/null || true; } | cut -d / -f 3
}

nobody_is_left() {
	[ -z "$(processes)" ] && ! dmsetup ls | grep -q tidemark-point
}

# Where the test has failed.
end_points() {
	local name
	umount /mnt/*-point /mnt/*-written 2>/dev/null || true
	for name in $(dmsetup ls | awk '/^tidemark-point/ { print $1 }'); do
		dmsetup remove "$name"
	done
	wait_until 20 nobody_is_left
}

# Those that answer; who keeps them is their parent.
servers() {
	local pid
	for pid in $(processes); do
		[ "$(cat "/proc/$(awk '{ print $4 }' "/proc/$pid/stat")/comm")" != tidemark ] || echo "$pid"
	done
}

has_servers() {
	[ "$(servers | wc -l)" -eq "$1" ]
}

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
cleanup end_points
check tidemark init "$TIDEMARK_REPOSITORY"

for type in ext4 xfs; do
	case $type in
	ext4) device=/dev/vda && make_ext4 "$device" && mount_ext4 "$device" "/mnt/$type" ;;
	xfs) device=/dev/vdb && make_xfs "$device" && mount_xfs "$device" "/mnt/$type" ;;
	esac
	check tidemark attach "$device"
	cleanup tidemark detach "$device"
	mkdir -p "/mnt/$type/quiet" "/mnt/$type-point" "/mnt/$type-written"
	for n in $(seq 20); do
		head -c $((n * 7919)) /dev/urandom >"/mnt/$type/quiet/$n"
	done
	sync "/mnt/$type/quiet"/*
	writer_log=/tmp/writer.$type
	start_writer "/mnt/$type/busy"
	wait_for_synced 20
	# Its journal is dirty: nobody froze it.
	tidemark backup "$device" --no-freeze --json --quiet >/tmp/backup
	stop_writer "$writer"
	sums "/mnt/$type/quiet" >/tmp/sums
	find "$TIDEMARK_REPOSITORY" -type f ! -path '*/sessions/*' -print0 | sort -z | xargs -0 sha256sum >/tmp/before

	check tidemark mount "$(point_of)" "/mnt/$type-point" --scratch /mnt/repository
	check tidemark mount "$(point_of)" "/mnt/$type-written" --writable --scratch /mnt/repository
	sums "/mnt/$type-point/quiet" >/tmp/found
	check cmp /tmp/sums /tmp/found
	! touch "/mnt/$type-point/new" 2>/tmp/said || fail "it is read-only"

	# What one writes the other does not see, and files stay right when servers die.
	check cp -r "/mnt/$type-written/quiet" "/mnt/$type-written/copy"
	check rm "/mnt/$type-written/quiet/7"
	sync -f "/mnt/$type-written"
	for ((round = 0; round < 4; round++)); do
		wait_until 20 has_servers 2
		servers | xargs kill -KILL
		echo 3 >/proc/sys/vm/drop_caches
		sums "/mnt/$type-point/quiet" >/tmp/found
		check cmp /tmp/sums /tmp/found
		sums "/mnt/$type-written/copy" >/tmp/found
		check cmp /tmp/sums /tmp/found
	done
	[ ! -e "/mnt/$type-written/quiet/7" ] || fail "what was removed is there"
	check tidemark umount "/mnt/$type-point"
	check tidemark umount "/mnt/$type-written"
	wait_until 20 nobody_is_left
	find "$TIDEMARK_REPOSITORY" -type f ! -path '*/sessions/*' -print0 | sort -z |
		xargs -0 sha256sum >/tmp/after
	check cmp /tmp/before /tmp/after
	check umount "/mnt/$type"
done
check tidemark verify --quiet

# What cannot be mounted leaves nothing behind.
! tidemark mount latest /mnt/nowhere 2>/tmp/said || fail "there is no such directory"
! tidemark mount 00000000 /mnt/ext4 2>/tmp/said || fail "there is no such point"
grep -q 'no restore point' /tmp/said || fail "$(</tmp/said)"
head -c 1000000 /dev/urandom >/tmp/noise
check tidemark backup /tmp/noise --quiet
! tidemark mount latest /mnt/ext4 --scratch /mnt/repository 2>/tmp/said || fail "it has no file system"
grep -q 'no file system' /tmp/said || fail "$(</tmp/said)"
! tidemark umount /mnt/ext4 2>/tmp/said || fail "nothing is mounted there"
wait_until 20 nobody_is_left

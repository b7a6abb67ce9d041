#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A delta onto the attached device of the volume itself: it reads and writes what was changed
# and nothing else, is exact, and the next backup is right, also after one that was killed. Where
# the base is not known all is compared. Nothing is written while it is mounted, or
# while somebody makes an image of it.
#
# vm: disks=96M,96M,512M mem=640 timeout=600

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

manifest=/tmp/manifest

# undone BASIS POINT: in place, and /dev/vda is the point exactly.
undone() {
	check tidemark restore "$2" /dev/vda --delta --quiet --manifest "$manifest"
	jq -c '{state, unchanged_by, not_by_tracker, compared_chunks, written_bytes, known_bytes}' "$manifest"
	[ "$(json state <"$manifest")" = complete ] || fail "not complete"
	[ "$(json unchanged_by <"$manifest")" = "$1" ] || fail "not by $1"
	check tidemark restore "$2" /dev/vdb --quiet --force
	same_device /dev/vda /dev/vdb
}

# Whatever was restored, the next backup is of what the device holds.
next_backup_is_exact() {
	local point
	point=$(tidemark backup /dev/vda --json | json point)
	check tidemark restore "$point" /dev/vdb --quiet --force
	same_device /dev/vda /dev/vdb
}

spoil() {
	check dd if=/dev/urandom of=/dev/vda bs=64K seek="$1" count="$2" oflag=direct conv=notrunc \
		status=none
}

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
check dd if=/dev/urandom of=/mnt/data/file bs=1M count=32 status=none
check tidemark attach /dev/vda
good=$(tidemark backup /dev/vda --json | json point)

# The mistake.
check rm /mnt/data/file
check dd if=/dev/urandom of=/mnt/data/other bs=1M count=4 status=none
sync
refused 3 'is mounted' tidemark restore "$good" /dev/vda --delta --force
check umount /mnt/data

refused 3 'attachment tidemark-vda' tidemark restore "$good" /dev/vda --force
refused 3 'name the device' tidemark restore "$good" /dev/mapper/tidemark-vda --delta --force

# A dry run changes nothing.
before=$(read_media /dev/vda | sha256sum)
check tidemark restore "$good" /dev/vda --delta --dry-run
[ "$(read_media /dev/vda | sha256sum)" = "$before" ] || fail "a dry run has written"

undone tracker "$good"
[ "$(json compared_chunks <"$manifest")" -lt 800 ] || fail "compared more than what changed"
[ "$(json known_bytes <"$manifest")" -gt $((48 * 1048576)) ] || fail "knew too little"
fsck_ext4 /dev/vda
next_backup_is_exact

# Back to an older point, over what later ones and nobody's backup changed.
spoil 1000 20
later=$(tidemark backup /dev/vda --json | json point)
spoil 1200 20
spoil 1010 5
undone tracker "$good"
next_backup_is_exact
undone tracker "$later"

# Nothing to do: nothing is written.
undone tracker "$later"
[ "$(json written_bytes <"$manifest")" -eq 0 ] || fail "wrote what was right"

# Killed in the midst of it, whenever that is.
for ms in 20 60 120 250; do
	spoil 300 1200
	tidemark restore "$later" /dev/vda --delta --quiet --manifest "$manifest" &
	sleep "$(printf '0.%03d' "$ms")"
	kill -9 $! 2>/dev/null || true
	wait $! || true
	next_backup_is_exact
	undone tracker "$later"
done

# A range of it.
spoil 500 10
spoil 600 10
check tidemark restore "$later" /dev/vda --delta --range $((500 * 65536))-$((510 * 65536)) --quiet
cmp <(dd if=/dev/vda bs=64K skip=500 count=10 iflag=direct status=none) \
	<(dd if=/dev/vdb bs=64K skip=500 count=10 iflag=direct status=none) || fail "not the range"
! cmp -s <(dd if=/dev/vda bs=64K skip=600 count=10 iflag=direct status=none) \
	<(dd if=/dev/vdb bs=64K skip=600 count=10 iflag=direct status=none) || fail "more than the range"
undone tracker "$later"

# Attached anew there is no base: all is compared, and only what differs is written.
check tidemark detach /dev/vda
check tidemark attach /dev/vda
spoil 700 3
undone hash "$later"
[ "$(json written_bytes <"$manifest")" -le $((4 * 65536)) ] || fail "wrote more than differs"
next_backup_is_exact
check tidemark detach /dev/vda
spoil 700 3
undone hash "$later"
check tidemark verify

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A power cut behind any flush or FUA write of an attached disk, while its stream is kept or
# while backups hold writes up, leaves an ext4 and an xfs that mount, pass fsck, and have each
# file that was synced before. So nothing is lost of the order that they ask for.
#
# LONG=1: each such mark.
#
# vm: disks=1G mem=1536 timeout=900 long=21600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh
# shellcheck source=lib-marks.sh
. lib-marks.sh

requires tidemarkd module:dm-tidemark module:tm-disk module:loop module:xfs ckverify
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
looked_at=$(rounds 12 all) # marks of each run
synced=$(rounds 50 150)

keep_stream() {
	configure "$TIDEMARK_REPOSITORY" "$1" "/dev/$1" 'rpo = 2s' 'points = 10s'
	start_daemon
}

keep_no_stream() {
	stop_daemon
	check dmsetup remove "$1"
}

# One backup after the other: each preserves what is about to be overwritten.
keep_backing_up() {
	check tidemark attach "/dev/$1"
	: >/tmp/backups
	while [ ! -e /tmp/enough ]; do
		tidemark backup "/dev/$1" --no-freeze --quiet || exit 1
		echo backup >>/tmp/backups
	done &
	backups=$!
	cleanup touch /tmp/enough
}

enough_backups() {
	[ "$(wc -l </tmp/backups)" -ge 3 ]
}

keep_no_backing_up() {
	touch /tmp/enough
	wait "$backups" || fail "a backup failed"
	rm /tmp/enough
	check tidemark detach "/dev/$1"
}

# sound TYPE SEQ TIME_NS: of the image of a mark. Mounting replays the journal; what was synced
# before the mark is there, but for what had been touched since.
sound() {
	local checker=(e2fsck -fn)
	[ "$1" = ext4 ] || checker=(xfs_repair -n)
	(
		check mount -t "$1" /tmp/mark /tmp/replay
		check ckverify /tmp/replay/tree "$writer_log" --before "$3"
		check umount /tmp/replay
		check "${checker[@]}" /tmp/mark
	) >/tmp/sound 2>&1 || fail "mark $2: $(</tmp/sound)"
}

# survey TYPE WHAT: a file system of that TYPE on a disk, while what keep_WHAT does is going on.
survey() {
	local type=$1 what=$2 disk=$1 before
	echo "== $type, keep_$what"
	test_disk add "$disk" size=64M cache=1 window=4 seed="$SEED" log="$(rounds 160 256)M" payload=1
	"make_$type" "${@:3}" "/dev/$disk"
	"mount_$type" "/dev/$disk" /mnt/data
	"keep_$what" "$disk"
	writer_log=/tmp/$type.$what.log
	start_writer /mnt/data/tree "$SEED"
	wait_for_synced 10
	before=$(test_disk_says "$disk" log_records)
	wait_until 600 enough_synced "$synced"
	[ "$what" = stream ] || wait_until 600 enough_backups
	stop_writer "$writer"
	"keep_no_$what" "$disk"
	check umount /mnt/data
	take_recording "$disk" "$before"
	at_marks "$([ "$looked_at" = all ] && wc -l </tmp/marks || echo "$looked_at")" sound "$type"
}

echo "SEED=$SEED"
mkdir -p /tmp/replay
load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
survey ext4 stream -E lazy_itable_init=0,lazy_journal_init=0
survey xfs backing_up --unsupported
[ -z "$LONG" ] || survey ext4 backing_up -E lazy_itable_init=0,lazy_journal_init=0
[ -z "$LONG" ] || survey xfs stream --unsupported

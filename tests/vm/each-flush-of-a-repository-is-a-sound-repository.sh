#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Backups, prunes and a stream go into a repository. A power cut behind any flush or FUA write
# of its disk leaves one that verifies, and has each point that a backup had acknowledged and no
# prune was to give up, and the seq that status had called durable.
#
# LONG=1: each such mark, of many more rounds.
#
# vm: disks=24M mem=1536 timeout=1200 long=21600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh
# shellcheck source=lib-marks.sh
. lib-marks.sh

requires tidemarkd module:dm-tidemark module:tm-disk module:loop historian
export TIDEMARK_REPOSITORY=/mnt/td0/repository
replayed=/tmp/replay/repository
image=/tmp/image
declare -A hashes=() # of the image, by point
rounds=$(rounds 4 8)
looked_at=$(rounds 16 all)

# promise WORD VALUE: with the time, which is no earlier than what it is about. What is given
# up is written down before.
promise() {
	echo "$(date +%s%N) $1 $2" >>/tmp/promises
}

hash_of() {
	sha256sum "$1" | cut -d ' ' -f 1
}

back_up() {
	local point
	dd if=/dev/urandom of="$image" bs=64k count=24 seek=$((RANDOM % 40)) conv=notrunc status=none
	tidemark backup "$image" --json >/tmp/backup 2>/tmp/errors || fail "$(</tmp/errors)"
	point=$(json point </tmp/backup)
	promise point "$point"
	hashes[$point]=$(hash_of "$image")
}

# What a scan has not yet made whole is no promise.
ask_for_durable() {
	local seq
	seq=$(tidemark status --json | jq '.volumes[0] | if .state == "streaming" then .durable_seq else 0 end')
	[ "$seq" -eq 0 ] || promise seq "$seq"
}

# Of the points that are promised at that time, the oldest first.
points_at() {
	awk -v time="$1" '
		$1 < time && $2 == "point" { there[$3] = NR }
		$1 <= time && $2 == "gone" { delete there[$3] }
		END { for (point in there) print there[point], point }' /tmp/promises | sort -n | cut -d ' ' -f 2
}

prune() {
	local point
	for point in $(points_at "$(date +%s%N)" | head -n -2); do
		promise gone "$point"
	done
	tidemark prune --keep-last 2 --grace 0 --quiet || fail "a prune failed"
}

seq_at() {
	awk -v time="$1" '$1 < time && $2 == "seq" { seq = $3 } END { print seq + 0 }' /tmp/promises
}

has_seq() {
	jq -e --argjson seq "$1" 'any(.intervals[]; .first_seq <= $seq and $seq <= .last_seq)' >/dev/null
}

restores_right() {
	tidemark restore -r "$replayed" "$1" /tmp/restored --force --quiet || fail "$1 is not restored"
	[ "$(hash_of /tmp/restored)" = "${hashes[$1]}" ] || fail "$1 is not what was backed up"
}

# has_what_was_promised TIME_NS: each point by name, the latest one by content.
has_what_was_promised() {
	local point='' listed seq
	listed=$(tidemark points -r "$replayed" --json | jq -r '.points[].point')
	for point in $(points_at "$1"); do
		[[ $listed == *"$point"* ]] || fail "$point is not there any more"
	done
	[ -z "$point" ] || restores_right "$point"
	seq=$(seq_at "$1")
	[ "$seq" -eq 0 ] || tidemark log data -r "$replayed" --json | has_seq "$seq" ||
		fail "seq $seq is not there any more"
}

# sound SEQ TIME_NS: of the image of a mark.
sound() {
	(
		check mount -t ext4 /tmp/mark /tmp/replay
		check tidemark verify -r "$replayed" --quiet
		has_what_was_promised "$2"
		check umount /tmp/replay
		check e2fsck -fn /tmp/mark
	) >/tmp/sound 2>&1 || fail "mark $1: $(</tmp/sound)"
}

echo "SEED=$SEED"
RANDOM=$SEED
mkdir -p /tmp/replay
load_module
test_disk add td0 size=128M cache=1 window=4 seed="$SEED" log="$(rounds 96 192)M" payload=1
make_ext4 -E lazy_itable_init=0,lazy_journal_init=0 /dev/td0
mount_ext4 /dev/td0 /mnt/td0
check tidemark init "$TIDEMARK_REPOSITORY"
head -c 4194304 /dev/urandom >"$image"
back_up
sync
before=$(test_disk_says td0 log_records)
# Between a promise and the prune behind it there are no two points: the last two stay.
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 30s'
start_daemon
historian /dev/vda data w /tmp/history 8192 4096 0 "$SEED" 50000 &
writer=$!
cleanup stop_writer_if_running "$writer"
for _ in $(seq "$rounds"); do
	back_up
	ask_for_durable
	back_up
	sleep 1
	ask_for_durable
	prune
done
stop_writer "$writer"
stop_daemon
check dmsetup remove data
check tidemark verify --quiet
check umount /mnt/td0
cut -d ' ' -f 2 /tmp/promises | sort | uniq -c
grep -q ' seq ' /tmp/promises || fail "no seq was durable: nothing was shown"
take_recording td0 "$before"
at_marks "$([ "$looked_at" = all ] && wc -l </tmp/marks || echo "$looked_at")" sound

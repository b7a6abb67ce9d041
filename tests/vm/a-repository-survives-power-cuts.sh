#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Power cuts in the middle of backups, prunes, sweeps and rebuilds of the index leave a
# repository that verifies, has every point that a backup had acknowledged and no prune
# was to give up, each byte for byte, and takes the next backup and prune.
#
# The file system is ext4, its disk loses at random what was not flushed.
# LONG=1: a hundred cuts of each; SEED=N: the moments and losses of an earlier run.
#
# vm: mem=1024 timeout=600 long=7200

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:tm-disk
export TIDEMARK_REPOSITORY=/mnt/td0/repository
image=/tmp/image
copies=/tmp/copies # of the image, by point
silent=0
declare -A promised=() requests=() cuts=() middle=() lost=()

ids_of_points() {
	tidemark points --json | jq -r '.points[].point'
}

promise() {
	cp "$image" "$copies/$1"
	promised[$1]=yes
}

# So much that packs are soon needed by less than half, and copied.
change_image() {
	dd if=/dev/urandom of="$image" bs=64k count=56 seek=$((RANDOM % 73)) conv=notrunc status=none
}

back_up() {
	change_image
	tidemark backup "$image" --json >/tmp/backup 2>/tmp/errors || fail "$(</tmp/errors)"
	promise "$(json point </tmp/backup)"
}

# Enough points that some have to go, which are promised no longer.
more_points_than_stay() {
	local last
	while [ "$(ids_of_points | wc -l)" -lt 5 ]; do
		back_up
	done
	last=$(ids_of_points | tail -n 3)
	for point in "${!promised[@]}"; do
		[[ $last == *"$point"* ]] || unset "promised[$point]"
	done
}

# One index object is lost, or cannot be read.
damage_index() {
	local indexes=("$TIDEMARK_REPOSITORY"/index/*) index
	index=${indexes[RANDOM % ${#indexes[@]}]}
	if [ $((RANDOM % 2)) -eq 0 ]; then
		rm "$index"
	else
		dd if=/dev/urandom of="$index" bs=100 count=1 conv=notrunc status=none
	fi
}

# Make what $1 needs, and set $operation.
prepare() {
	case $1 in
	backup) change_image && operation=(tidemark backup "$image" --json) ;;
	mark) more_points_than_stay && operation=(tidemark prune --keep-last 3 --grace 24h) ;;
	sweep)
		more_points_than_stay
		tidemark prune --keep-last 3 --grace 24h --quiet || fail "a prune failed"
		operation=(tidemark prune --grace 0)
		;;
	index) damage_index && operation=(tidemark repair --index) ;;
	esac
}

# Sets $status of the operation.
finish() {
	status=0
	"${operation[@]}" >/tmp/output 2>/tmp/errors || status=$?
	echo "$status" >/tmp/status
}

# Sets $written: how many requests have changed the disk, or made changes durable.
count_written() {
	local word number
	written=0
	while read -r word number; do
		case $word in
		writes | flushes | discards | write_zeroes) written=$((written + number)) ;;
		esac
	done </sys/kernel/debug/tm-disk/td0/status
}

measure() {
	local before
	prepare "$1"
	count_written
	before=$written
	finish
	count_written
	requests[$1]=$((written - before))
	[ "$status" -eq 0 ] || fail "status $status from: ${operation[*]}: $(</tmp/errors)"
	[ "$1" != backup ] || promise "$(json point </tmp/output)"
	echo "$1: ${requests[$1]} requests"
}

# cut_power KIND PART PARTS: somewhere in this part of the requests that it makes.
cut_power() {
	local dropped before after pid
	prepare "$1"
	rm -f /tmp/status
	dropped=$(test_disk_says td0 dropped)
	after=$((requests[$1] * (($2 - 1) * 32768 + RANDOM) / ($3 * 32768)))
	# So slow that the moment can be chosen, and that much is on its way.
	test_disk set td0 delay_us=5000 >/dev/null
	count_written
	before=$written
	finish &
	pid=$!
	while [ $((written - before)) -lt "$after" ] && [ ! -e /tmp/status ]; do
		count_written
	done
	test_disk power_cut td0 "seed=$RANDOM" >/dev/null
	# All that it writes from here on fails; what it acknowledges all the same counts.
	wait_until 60 test -s /tmp/status
	wait "$pid"
	status=$(</tmp/status)
	cuts[$1]=$((cuts[$1] + 1))
	if [ "$status" -ne 0 ]; then
		middle[$1]=$((middle[$1] + 1))
		lost[$1]=$((lost[$1] + $(test_disk_says td0 dropped) - dropped))
	fi
	echo "$1, cut after $after of ${requests[$1]} requests: status $status: $(head -n 1 /tmp/errors)"
	[ "$1/$status" != backup/0 ] || promise "$(json point </tmp/output)"
	umount /mnt/td0
	test_disk set td0 delay_us=0 >/dev/null
	test_disk power_on td0 >/dev/null
	fsck_ext4 /dev/td0 >/tmp/fsck 2>&1 || fail "$(</tmp/fsck)"
	mount -t ext4 /dev/td0 /mnt/td0
}

# One that was cut before it had said who it is counts as alive until it is old. That
# is a moment: few cuts may hit it.
age_silent_sessions() {
	local session
	for session in "$TIDEMARK_REPOSITORY"/sessions/*; do
		if [ -d "$session" ] && [ ! -s "$session/alive" ]; then
			silent=$((silent + 1))
			touch -c -t 200001010000 "$session/alive" "$session"
		fi
	done
}

prove() {
	local point listed
	age_silent_sessions
	# What was lost before the cut is still to be found.
	[ "$1" != index ] || tidemark repair --index --quiet || fail "repair failed"
	tidemark verify --quiet || fail "the repository is not sound after a cut in: $1"
	listed=$(ids_of_points)
	for point in "${!promised[@]}"; do
		[[ $listed == *"$point"* ]] || fail "$point is not there any more"
	done
	for point in $listed; do
		# The cut came between the point's name and the backup's last word.
		[ -e "$copies/$point" ] || promise "$point"
		tidemark restore "$point" /tmp/restored --force --quiet || fail "$point cannot be restored"
		cmp /tmp/restored "$copies/$point" || fail "$point is not what was backed up"
	done
	for point in "$copies"/*; do
		[[ $listed == *"${point##*/}"* ]] || rm "$point"
	done
	back_up
	next_prune=(tidemark prune --json)
	[ "$1" != sweep ] || next_prune+=(--grace 0)
	"${next_prune[@]}" >/tmp/prune 2>/tmp/errors || fail "a prune failed: $(</tmp/errors)"
	[ "$1" != sweep ] || [ "$(json waiting_dooms </tmp/prune)" -eq 0 ] || fail "$(</tmp/errors)"
}

echo "SEED=$SEED"
RANDOM=$SEED
test_disk add td0 size=256M cache=1
make_ext4 /dev/td0
mount_ext4 /dev/td0 /mnt/td0
check tidemark init "$TIDEMARK_REPOSITORY"
mkdir "$copies"
head -c 8388608 /dev/urandom >"$image"
back_up
kinds=(backup mark sweep index)
for kind in "${kinds[@]}"; do
	cuts[$kind]=0 middle[$kind]=0 lost[$kind]=0
	measure "$kind"
done
rounds=$(rounds 3 100)
for round in $(seq "$rounds"); do
	for kind in "${kinds[@]}"; do
		cut_power "$kind" "$round" "$rounds"
		prove "$kind"
	done
done
check tidemark verify
echo "$silent sessions had not said who they are"
[ "$silent" -le $((1 + rounds / 10)) ] || fail "these keep sweeps waiting"
for kind in "${kinds[@]}"; do
	echo "$kind: ${middle[$kind]} of ${cuts[$kind]} cuts came in the middle, ${lost[$kind]} blocks were lost"
	[ "${middle[$kind]}" -gt 0 ] || fail "none came in the middle: nothing was shown"
done
[ "$((lost[backup] + lost[mark] + lost[sweep] + lost[index]))" -gt 0 ] || fail "nothing was lost: nothing was shown"

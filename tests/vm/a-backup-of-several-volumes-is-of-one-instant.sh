#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemark backup with several volumes: a point of each, of one instant, in one
# group. Restored, they show no effect without its cause. Where a volume fails no
# point is made of any, and the next backup is incremental as it would have been.
#
# vm: disks=8M,8M,256M,64M mem=768 timeout=300 long=1800

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:dm-delay dependent

# backup_all [OPTION]...: of the three, into /tmp/backup.
backup_all() {
	tidemark backup one two /dev/vdd --json "$@" >/tmp/backup
}

restore_all() {
	local n
	for n in 0 1 2; do
		tidemark restore "$(json "points[$n].point" </tmp/backup)" "/tmp/image$n" --force --quiet
	done
}

nr_points() {
	tidemark points --json | json 'points | length'
}

volume_is_cut() {
	[[ $(dmsetup status two) == *' active '* ]]
}

load_module
check modprobe dm-delay
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
make_ext4 /dev/vdd
mount_ext4 /dev/vdd /mnt/data
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
sectors=$(blockdev --getsz /dev/vdb)
check dmsetup create slow --table "0 $sectors delay /dev/vdb 0 20 /dev/vdb 0 0"
cleanup dmsetup remove slow
check tidemark attach /dev/vda --name one
cleanup tidemark detach one
check tidemark attach /dev/mapper/slow --name two
check tidemark attach /dev/vdd
cleanup tidemark detach /dev/vdd
dependent write /dev/vda /dev/mapper/slow &
pair=$!
cleanup stop_writer_if_running "$pair"
start_writer /mnt/data/tree
wait_for_synced 20

nr=$(rounds 5 50)
for round in $(seq "$nr"); do
	echo "backup $round of $nr"
	backup_all
	restore_all
	check dependent check /tmp/image0 /tmp/image1
	# Frozen for the cut: clean without a journal's replay.
	check e2fsck -fn /tmp/image2
done
jq -c '.points[] | {kind, volume, group, freeze, cut_time_ns}' </tmp/backup
[ "$(json 'points | map(.group) | unique | length' </tmp/backup)" -eq 1 ] || fail "not one group"
[ "$(json 'points | map(.cut_time_ns) | unique | length' </tmp/backup)" -eq 1 ] || fail "not one instant"
[ "$(json 'points | map(.kind) | unique[]' </tmp/backup)" = incremental ] || fail "not incremental"
group=$(json 'points[0].group' </tmp/backup)
[[ $group =~ ^[0-9a-f]{32}-3$ ]] || fail "group $group"
[ "$(tidemark points --json | jq "[.points[] | select(.group == \"$group\")] | length")" -eq 3 ] ||
	fail "the points do not know their group"

# What cannot be: nothing is made.
before=$(nr_points)
refused 2 'given twice' tidemark backup one two /dev/vda
refused 4 'three' tidemark backup one three
[ "$(nr_points)" -eq "$before" ] || fail "points were made"

# One goes away while it is read, which takes a while now.
check dmsetup load slow --table "0 $sectors delay /dev/vdb 0 500 /dev/vdb 0 0"
check dmsetup resume slow
backup_all --full 2>/tmp/complaint &
backup=$!
wait_until 30 volume_is_cut
check dmsetup remove two
status=0
wait "$backup" || status=$?
cat /tmp/complaint
[ "$status" -eq 1 ] || fail "status $status"
[ "$(wc -l </tmp/complaint)" -eq 1 ] || fail "not one line"
grep -q '^tidemark: two: ' /tmp/complaint || fail "does not say which volume"
[ "$(nr_points)" -eq "$before" ] || fail "points were made of the others"
[ ! -s /tmp/backup ] || fail "something was reported"
stop_writer "$pair"
tidemark backup one /dev/vdd --json >/tmp/backup
[ "$(json 'points | map(.kind) | unique[]' </tmp/backup)" = incremental ] ||
	fail "the failure cost the others their base"
check tidemark restore "$(json 'points[0].point' </tmp/backup)" /tmp/image0 --force
same_device /dev/vda /tmp/image0

# One volume is a group of none.
tidemark backup one --json >/tmp/backup
jq -e 'has("group") | not' </tmp/backup >/dev/null || fail "one volume has a group"
stop_writer "$writer"
check tidemark verify

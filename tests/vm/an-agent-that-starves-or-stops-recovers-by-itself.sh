#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A backup that gets one hundredth of a processor, or is stopped for a while, beside
# a writer and a file system in use: every write and every fsync succeeds, and once
# it runs again the backup ends by itself, with an exact point or with one line.
#
# vm: disks=64M,64M,1G mem=768 timeout=300 long=1200

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark shadow

group=/sys/fs/cgroup/starved

volume_is_cut() {
	[[ $(dmsetup status tidemark-vda) == *' active '* ]]
}

# A backup in the middle of its cut.
start_backup() {
	tidemark backup /dev/vda --quiet --full 2>/tmp/complaint &
	backup=$!
	echo "$backup" >"$group/cgroup.procs"
	wait_until 60 volume_is_cut
}

# The writer and the file system get on while the agent does not.
others_get_on() {
	local before
	before=$(md5sum <"$shadow_log")
	for n in 1 2 3; do
		echo "$n" >/mnt/data/file
		check sync /mnt/data/file
		sleep "$(rounds 2 20)"
	done
	[ "$(md5sum <"$shadow_log")" != "$before" ] || fail "the writer stands still"
}

backup_ends() {
	local status=0
	wait "$backup" || status=$?
	cat /tmp/complaint
	[ "$status" -eq 0 ] || [ "$status" -eq 1 ] || fail "status $status"
	[ "$status" -eq 0 ] || [ "$(wc -l </tmp/complaint)" -eq 1 ] || fail "not one line"
	echo "the backup ended with status $status: $(dmsetup status tidemark-vda)"
}

point_is_exact() {
	cp "$shadow_log" /tmp/shadow.before
	tidemark backup /dev/vda --json >/tmp/backup
	cp "$shadow_log" /tmp/shadow.after
	check tidemark restore "$(json point </tmp/backup)" /tmp/image --force --quiet
	check shadow check /tmp/image /tmp/shadow.before /tmp/shadow.after
}

protect_ext4 /dev/vdb /dev/vdc
check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda
check mount -t cgroup2 cgroup /sys/fs/cgroup
grep -qw cpu /sys/fs/cgroup/cgroup.controllers || skip "this kernel cannot take processors away"
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
mkdir "$group"
start_shadow /dev/vda 1000
point_is_exact

start_backup
echo '1000 100000' >"$group/cpu.max"
others_get_on
echo max >"$group/cpu.max"
backup_ends
point_is_exact

start_backup
kill -STOP "$backup"
others_get_on
kill -CONT "$backup"
backup_ends
point_is_exact

stop_shadow "$shadow"
check tidemark verify

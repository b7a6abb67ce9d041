#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemarkd stopped until the ring is full, a repository that is full, one whose disk is gone
# for a while, a volume that is detached under it: no write fails or is held for long, what is wrong is
# said, and when it is over protection goes on by itself, with what was written meanwhile.
# The end of the journal is the disk each time.
#
# vm: disks=48M mem=1024 timeout=600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:tm-disk historian
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

write_much() {
	check dd if=/dev/urandom of=/dev/vda bs=256k count=80 seek=32 oflag=direct conv=notrunc status=none
}

is() {
	[ "$(protected "$1")" = "$2" ]
}

has_gaps() {
	[ "$(protected gaps)" -ge "$1" ]
}

# All that has been written is durable, and equal to the disk.
prove() {
	local last
	stop_writer "$writer"
	sleep 3
	tidemark log data --json >/tmp/log
	last=$(json '.intervals[-1].last_seq' </tmp/log)
	check tidemark restore --seq "$last" /tmp/image --force --quiet
	same_device /tmp/image /dev/vda
	start_historian
}

start_historian() {
	rm -f /tmp/history
	historian /dev/vda data "w$SECONDS" /tmp/history 0 4096 0 "$SEED" 30000 &
	writer=$!
	cleanup stop_writer_if_running "$writer"
	# Until then it does not know how to be stopped.
	wait_until 30 test -e /tmp/history
}

load_module
test_disk add td0 size=128M cache=1
make_ext4 /dev/td0
mount_ext4 /dev/td0 /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 10s'
start_historian
start_daemon
prove

# It stops; a writer finds the ring full, once, and goes on.
kill -STOP "$daemon"
write_much
status_is_behind() { dmsetup status data | grep -q 'stream behind'; }
wait_until 30 status_is_behind
kill -CONT "$daemon"
wait_until 60 has_gaps 1
wait_until 60 is state streaming
prove
grep -q 'the ring was full' "$daemon_log"

# No room. The module tracks on.
! dd if=/dev/zero of=/mnt/repository/ballast bs=64k status=none || fail "there is room for ever"
wait_until 60 is state waiting
[[ $(protected reason) == *'No space left'* ]] || fail "$(protected reason)"
write_much
check rm /mnt/repository/ballast
wait_until 120 is state streaming
prove

# Its disk loses power, and what was not flushed.
test_disk power_cut td0
wait_until 60 is state waiting
protected reason
write_much
wait_until 60 umount /mnt/repository
test_disk power_on td0
check mount -t ext4 /dev/td0 /mnt/repository
wait_until 120 is state streaming
prove
# No failure was a reason to read all of the disk.
[ "$(grep -c everything "$daemon_log")" -eq 1 ] || fail "more was read than had to be"

# Detached: it attaches anew, and knows nothing of what was written.
kill -STOP "$daemon"
check dmsetup remove --force data || true
kill -CONT "$daemon"
wait_until 60 daemon_has_said 'the volume was detached'
wait_until 120 is state streaming
stop_writer "$writer"
start_historian
prove
stop_writer "$writer"
stop_daemon
check tidemark verify
dmsetup info -c
check dmsetup remove data

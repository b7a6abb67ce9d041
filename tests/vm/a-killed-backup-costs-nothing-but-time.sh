#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The agent is killed at twenty points of a backup, under a file system that is
# written: no write fails, nothing stays frozen or held, and the next backup is
# exact. Then it is stopped for a while instead.
#
# vm: disks=128M,128M,1G mem=1024 timeout=600

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

# The file system takes a write and a sync within a time that only a hang exceeds.
writable() {
	timeout 20 bash -c 'echo x >/mnt/data/probe && sync /mnt/data/probe' ||
		fail "the file system does not take writes"
}

no_cut() {
	[[ $(dmsetup status) == *' none '* ]]
}

protect_ext4 /dev/vda /dev/vdc
start_writer /mnt/data/tree
check tidemark backup /dev/vda --quiet

killed=0
for round in $(seq 20); do
	tidemark backup /dev/vda --quiet --full &
	agent=$!
	sleep "$(awk "BEGIN { print $round * 0.06 }")"
	if kill -KILL "$agent" 2>/dev/null; then
		killed=$((killed + 1))
	fi
	wait "$agent" || true
	writable
	wait_until 10 no_cut
done
echo "$killed of 20 were killed before they were done"
[ "$killed" -ge 10 ] || fail "most backups were done before they were killed: little was proved"

# Stopped with a cut on its hands: writers get past it.
tidemark backup /dev/vda --quiet --full &
agent=$!
sleep 0.3
kill -STOP "$agent"
writable
check dd if=/dev/urandom of=/mnt/data/flood bs=1M count=40 conv=fsync status=none
writable
kill -CONT "$agent"
wait "$agent" || echo "the stopped backup gave up, which it may"

stop_writer "$writer"
check umount /mnt/data
tidemark backup /dev/vda --json >/tmp/backup
check tidemark restore "$(json point </tmp/backup)" /dev/vdb
same_device /dev/vda /dev/vdb
check e2fsck -fn /dev/vdb
check tidemark verify

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemarkd is ended in the middle of its first scan, again and again, under load: each start
# reads what no other one has read, and what was written since. The end of the journal is the
# disk.
#
# vm: disks=64M,2G mem=768 timeout=600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark historian
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
sectors=4096

is() {
	[ "$(protected "$1")" = "$2" ]
}

has_scanned() {
	[ "$(protected scanned_bytes)" -ge "$1" ]
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
check dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct status=none count=64
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'scan-rate = 1M'
launch_daemon
wait_until 60 is state scanning
historian /dev/vda data w /tmp/history 8192 "$sectors" 0 "$SEED" 20000 &
writer=$!
cleanup stop_writer_if_running "$writer"

# At least so much of it goes away each time; the writer's 2 MiB come back.
least=$((4 << 20)) written=$((sectors * 512 + (1 << 20)))
left=$((64 << 20))
for _ in 1 2 3 4; do
	wait_until 60 has_scanned "$least"
	stop_daemon
	grep -q 'what was read so far is kept' "$daemon_log" || fail "$(<"$daemon_log")"
	launch_daemon
	wait_until 60 is state scanning
	now=$(protected scan_bytes)
	echo "$now of $left are left"
	[ "$now" -le $((left - least + written)) ] || fail "what was read is read again"
	left=$now
done
wait_until_protected
sleep 3
stop_writer "$writer"
stop_daemon
check tidemark verify
last=$(tidemark log data --json | jq '.intervals[-1].last_seq')
check tidemark restore --seq "$last" /tmp/image --force
same_device /tmp/image /dev/vda
check dmsetup remove data

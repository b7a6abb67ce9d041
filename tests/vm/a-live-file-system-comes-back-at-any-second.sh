#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A mounted ext4 under load is put back as it was at moments that nobody prepared: by time,
# by number, before a flush. Each image mounts with a journal replay, passes fsck, and has
# every file that was synced before.
#
# vm: disks=96M,96M,1G mem=1024 timeout=900 long=3600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
rounds=$(rounds 12 100)

# settled_paths TIME: the writer's log without paths that something happened to at about that
# time, for that of a record is as precise as the kernel's tick.
settled_paths() {
	awk -v time="$1" '
		{ line[NR] = $0; path[NR] = $3 }
		$2 > time - 50e6 && $2 < time + 50e6 { near[$3] }
		END { for (i = 1; i <= NR; i++) if (!(path[i] in near)) print line[i] }' "$writer_log"
}

load_module settle_ms=60000
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 2s' 'points = 15s'
start_writer /mnt/data/tree
wait_for_synced 10
start_daemon
first=$(date +%s%N)
wait_for_synced $((20 + rounds * 10))
last=$(date +%s%N)
check tidemark mark data 'before the end'
# What status says is durable is no older than was promised, for a loaded machine.
until=$(protected durable_ms)
tidemark status
[ $(($(date +%s%3N) - until)) -lt $((10000 * SLOW)) ] || fail "durable until $until only"
[ "$(protected gaps)" -eq 0 ] || fail "there was a gap"
stop_writer "$writer"
stop_daemon

# An interval that nobody cut: the stream had no gap.
tidemark log data --json >/tmp/history
[ "$(json '.intervals | length' </tmp/history)" -eq 1 ] || fail "$(</tmp/history)"
low=$(json '.intervals[0].first_seq' </tmp/history)
high=$(json '.intervals[0].last_seq' </tmp/history)
RANDOM=$SEED
for round in $(seq "$rounds"); do
	moment=$((first + (last - first) * RANDOM / 32768))
	seq=$((low + RANDOM * 32768 % (high - low)))
	at="@$((moment / 1000000000)).$(printf %09d $((moment % 1000000000)))"
	case $((round % 3)) in
	0) when=(--at "$at") ;;
	1) when=(--at "$at" --before-flush) ;;
	2) when=(--seq "$seq") ;;
	esac
	tidemark restore "${when[@]}" /dev/vdb --force --json >/tmp/restored || fail "${when[*]}"
	restored=$(json time_ns </tmp/restored)
	fsck_ext4 /dev/vdb
	check mount -t ext4 -o ro /dev/vdb /tmp/replay
	settled_paths "$restored" >/tmp/log
	check ckverify /tmp/replay/tree /tmp/log --before "$restored"
	check umount /tmp/replay
	echo "image $round of $rounds is good: ${when[*]}"
done
check tidemark restore --mark 'before the end' /dev/vdb --force
fsck_ext4 /dev/vdb
check umount /mnt/data
check tidemark verify
check dmsetup remove data

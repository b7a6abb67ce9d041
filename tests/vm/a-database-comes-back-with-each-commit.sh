#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# SQLite commits one transaction after another on a mounted xfs, with a rollback journal and
# with a write-ahead log. At moments that nobody prepared the restored database is sound, has
# each transaction that had been committed, and none of which a part is missing.
#
# vm: disks=320M,320M,1G mem=1024 timeout=900 long=3600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:xfs sqlite3
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
instants=$(rounds 5 40)

# commit_all MODE: until it is told to stop. In LOG: the time after each commit, and its number.
# A transaction has two rows, whose sum is zero. Less than "extra" does not sync that the
# rollback journal is gone, so that a power cut may undo the last commit.
commit_all() {
	local n=0 stops=''
	trap 'stops=yes' TERM
	sqlite3 "/mnt/data/$1" "pragma journal_mode = $1; create table t (n, v)" >/dev/null
	while [ -z "$stops" ]; do
		n=$((n + 1))
		sqlite3 "/mnt/data/$1" "pragma synchronous = extra; begin; insert into t values ($n, $n);
			insert into t values ($n, -$n); commit" >/dev/null || exit 1
		echo "$(date +%s%N) $n" >>"/tmp/commits.$1"
	done
}

# committed MODE TIME: how many had been by then; what is that close to it does not count.
committed() {
	awk -v time="$2" '$1 < time - 100e6 { n = $2 } END { print n + 0 }' "/tmp/commits.$1"
}

prove() {
	local mode=$1 rows sum last least
	[ "$(sqlite3 "/tmp/replay/$mode" 'pragma integrity_check')" = ok ] || fail "$mode is not sound"
	IFS='|' read -r rows sum last < <(sqlite3 "/tmp/replay/$mode" 'select count(*), sum(v), max(n) from t')
	least=$(committed "$mode" "$2")
	echo "$mode: $last transactions, $least had been committed"
	[ "$rows/$sum" = "$((2 * last))/0" ] || fail "a transaction is torn: $rows rows, sum $sum"
	[ "$last" -ge "$least" ] || fail "$mode: of $least transactions there are $last"
	[ "$last" -le $((least + 5)) ] || fail "$mode: it is from later: $last, not $least"
}

enough_commits() {
	[ "$(cat /tmp/commits.* 2>/dev/null | wc -l)" -ge "$1" ]
}

load_module settle_ms=60000
make_xfs /dev/vda
mount_xfs /dev/vda /mnt/data
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 2s' 'points = 20s'
for mode in delete wal; do
	commit_all "$mode" &
	committers+=($!)
	cleanup stop_writer_if_running "$!"
done
wait_until 60 enough_commits 10
start_daemon
first=$(date +%s%N)
wait_until 300 enough_commits $((60 + instants * 10))
last=$(date +%s%N)
for committer in "${committers[@]}"; do
	stop_writer "$committer"
done
stop_daemon
RANDOM=$SEED
# The first and the last moment that were promised, and some between them.
for round in $(seq "$instants"); do
	case $round in
	1) moment=$first ;;
	2) moment=$last ;;
	*) moment=$((first + (last - first) * RANDOM / 32768)) ;;
	esac
	at="@$((moment / 1000000000)).$(printf %09d $((moment % 1000000000)))"
	tidemark restore --at "$at" /dev/vdb --force --json >/tmp/restored || fail "$at"
	mkdir -p /tmp/replay
	check mount -t xfs -o nouuid /dev/vdb /tmp/replay
	for mode in delete wal; do
		prove "$mode" "$(json time_ns </tmp/restored)"
	done
	check umount /tmp/replay
	check xfs_repair -n /dev/vdb
	echo "instant $round of $instants is good"
done
check umount /mnt/data
check dmsetup remove data

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemarkd is ended and started again under load, as an upgrade does, again and again: nothing
# is read anew, the journal is one stretch without a gap, and each marked instant comes back;
# so it is where its config is read anew.
# Then it is killed in the same way: what had been called durable can be had, and no more is
# read than was written. Then it stays away until the ring is full: a gap, and the end of the
# journal is the disk.
#
# vm: disks=24M,2G mem=768 timeout=1200 long=7200

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark historian fdkeeper
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
sectors=4096

draw_pause() {
	sleep "$((RANDOM % 3)).$((RANDOM % 10))"
}

intervals() {
	tidemark log data --json | jq -r "$1"
}

# restore_mark MARK HASH
restore_mark() {
	check tidemark restore --mark "$1" /tmp/image --force --quiet
	[ "$(dd if=/tmp/image bs=512 skip=8192 count="$sectors" status=none | sha256sum |
		cut -d ' ' -f 1)" = "$2" ] || fail "$1 is not what was written"
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
check dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct status=none count=24
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 10s'
launch_kept_daemon
wait_until_protected
historian /dev/vda data w /tmp/history 8192 "$sectors" 0 "$SEED" 50000 &
writer=$!
cleanup stop_writer_if_running "$writer"
RANDOM=$SEED

# Ended in order.
restarts=$(rounds 20 200)
for _ in $(seq "$restarts"); do
	draw_pause
	end_kept_daemon TERM
	run_kept_daemon
	wait_until_protected
	daemon_has_said 'took over: 0 bytes to read again' ||
		fail "not taken over: $(<"$daemon_log.old") $(<"$daemon_log")"
	[ "$(protected scan_bytes)" -eq 0 ] || fail "$(protected scan_bytes) bytes were read again"
	kill -0 "$writer" || fail "a write failed"
done

# Of other settings the volume is taken over in the same process.
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 2s' 'points = 10s'
kill -HUP "$daemon"
wait_until_protected 2
daemon_has_said 'took over: 0 bytes to read again' 2 || fail "not taken over: $(<"$daemon_log")"
sleep 5
marks=$(wc -l </tmp/history)
[ "$(intervals '[.intervals[].stretch] | unique | length')" -eq 1 ] || fail "more than one stretch"
[ "$(intervals '.intervals | length')" -eq 1 ] || fail "there is a gap"
[ "$marks" -ge "$restarts" ] || fail "only $marks instants were marked: nothing was shown"
while read -r mark hash; do
	restore_mark "$mark" "$hash"
done < <(shuf -n "$(rounds 30 200)" <(head -n "$marks" /tmp/history))
echo "$restarts restarts, $marks marks, one stretch"

# Killed.
promises=() taken=0
kills=$(rounds 10 100)
for _ in $(seq "$kills"); do
	draw_pause
	promises+=("$(protected durable_seq)")
	end_kept_daemon KILL
	run_kept_daemon
	wait_until_protected
	! grep -q everything "$daemon_log" || fail "more was read than was written"
	! daemon_has_said 'took over' || taken=$((taken + 1))
	kill -0 "$writer" || fail "a write failed"
done
echo "$taken of $kills that were killed were taken over"
cat "$daemon_log"

# Away until the ring is full, and over.
end_kept_daemon TERM
for _ in 1 2 3 4 5 6; do
	check dd if=/dev/urandom of=/dev/vda bs=256k count=16 oflag=direct conv=notrunc status=none
done
run_kept_daemon
wait_until_protected 2
daemon_has_said 'took over what was recorded before the ring was full' || fail "$(<"$daemon_log")"
daemon_has_said 'the stream has a gap' || fail "$(<"$daemon_log")"
[ "$(protected gaps)" -eq 1 ] || fail "$(protected gaps) gaps"

# What all of it has left.
sleep 3
stop_writer "$writer"
stop_keeper
check tidemark verify
tidemark log data --json >/tmp/log
missing=()
for seq in "${promises[@]}"; do
	jq -e --argjson seq "$seq" 'any(.intervals[]; .first_seq <= $seq and $seq <= .last_seq)' \
		/tmp/log >/dev/null || missing+=("$seq")
done
[ "${#missing[@]}" -eq 0 ] || fail "what was durable is lost: ${missing[*]}"
last=$(jq '.intervals[-1].last_seq' /tmp/log)
check tidemark restore --seq "$last" /tmp/image --force
same_device /tmp/image /dev/vda
check dmsetup remove data

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemarkd is killed again and again under load, at random moments, while it scans as well.
# No write fails; what it had called durable can be had ever after; each start reads just what
# was written since; the end of the journal is the disk.
#
# vm: disks=24M,2G mem=768 timeout=1200 long=7200

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark historian
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
kills=$(rounds 50 300)

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
check dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct status=none count=24
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 10s'
sectors=4096
start_daemon
historian /dev/vda data w /tmp/history 8192 "$sectors" 0 "$SEED" 20000 &
writer=$!
cleanup stop_writer_if_running "$writer"

# What a scan has not yet made whole is no promise.
durable_seq() {
	tidemark status --json |
		jq '.volumes[0] | if .state == "streaming" then .durable_seq else 0 end'
}

RANDOM=$SEED
promises=() missing=()
killed_early=0
for round in $(seq "$kills"); do
	sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	promised=$(durable_seq)
	daemon_has_said 'protected: every write is kept' || killed_early=$((killed_early + 1))
	kill_daemon
	kill -0 "$writer" || fail "a write failed"
	[ "$promised" -eq 0 ] || promises+=("$promised")
	launch_daemon
	# Every third is killed wherever it is by then.
	[ $((round % 3)) -eq 0 ] || wait_until_protected
	! grep -q everything "$daemon_log" || fail "more was read than was written"
done
wait_until_protected
sleep 3
stop_writer "$writer"
stop_daemon
echo "$killed_early of $kills were killed before the scan had ended"
check tidemark verify
tidemark log data --json >/tmp/log
for seq in "${promises[@]}"; do
	jq -e --argjson seq "$seq" 'any(.intervals[]; .first_seq <= $seq and $seq <= .last_seq)' \
		/tmp/log >/dev/null || missing+=("$seq")
done
echo "${#promises[@]} promises, not to be had: ${missing[*]:-none}"
[ "${#promises[@]}" -ge $((kills / 3)) ] || fail "too little was promised: nothing was shown"
[ "${#missing[@]}" -eq 0 ] || fail "what was durable is lost"
tried=0
while read -r mark hash; do
	tidemark restore --mark "$mark" /tmp/image --force --quiet 2>/tmp/errors || continue
	[ "$(dd if=/tmp/image bs=512 skip=8192 count="$sectors" status=none | sha256sum |
		cut -d ' ' -f 1)" = "$hash" ] || fail "$mark is not what was written"
	tried=$((tried + 1))
done < <(shuf -n "$(rounds 40 400)" /tmp/history)
[ "$tried" -ge 15 ] || fail "only $tried marks could be had"
last=$(jq '.intervals[-1].last_seq' /tmp/log)
check tidemark restore --seq "$last" /tmp/image --force
same_device /tmp/image /dev/vda
check dmsetup remove data

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The machine is reset while tidemarkd keeps a stream. What was durable can be had: the
# instant that had been promised last, and each mark up to it. The next start reads the disk and
# finds what changed by itself, and the end of its journal is the disk.
#
# vm: disks=24M,512M mem=768 timeout=600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark historian
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
sectors=4096

load_module
mount_keep
[ "$STAGE" -gt 1 ] || make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 5s'

start_historian() {
	historian /dev/vda data "$1" /keep/history 0 "$sectors" 0 "$SEED" 20000 &
	writer=$!
	cleanup stop_writer_if_running "$writer"
}

if [ "$STAGE" -eq 1 ]; then
	check tidemark init "$TIDEMARK_REPOSITORY"
	start_daemon
	start_historian before
	sleep 10
	protected durable_seq >/keep/promised
	sleep 0.5
	reboot_hard
fi

promised=$(</keep/promised)
check tidemark verify
check tidemark restore --seq "$promised" /tmp/image --force
tidemark log data --json >/tmp/log
tried=0
while read -r mark hash; do
	seq=$(jq --arg mark "$mark" '.marks[] | select(.mark == $mark) | .seq' /tmp/log)
	# The last ones came after the promise.
	[ -n "$seq" ] || continue
	check tidemark restore --mark "$mark" /tmp/image --force --quiet
	[ "$(head -c $((sectors * 512)) /tmp/image | sha256sum | cut -d ' ' -f 1)" = "$hash" ] ||
		fail "$mark is not what was written"
	tried=$((tried + 1))
done < <(tail -n 12 /keep/history)
[ "$tried" -gt 0 ] || fail "none of the marks could be had"
echo "$tried of the last 12 marks could be had"
start_daemon
grep -q everything "$daemon_log" || fail "what was written before the reset is not known"
start_historian after
sleep 3
stop_writer "$writer"
sleep 2
stop_daemon
last=$(tidemark log data --json | jq '.intervals[-1].last_seq')
[ "$last" -gt "$promised" ] || fail "numbers were used twice"
check tidemark restore --seq "$last" /tmp/image --force
same_device /tmp/image /dev/vda
check tidemark verify
check dmsetup remove data

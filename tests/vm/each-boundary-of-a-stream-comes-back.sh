#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Two writers that know what their part of a disk holds have it flushed again and again,
# and give each such instant a mark. Restored to any of these marks, the part is what its
# writer says, whatever the other one was doing; the end of the journal is the disk.
#
# vm: disks=24M,1G mem=768 timeout=900 long=5400

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark historian

boundaries=$(rounds 100 1000)
sectors=4096 starts=(0 40960)
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

# prove NAME FIRST_SECTOR HASH: of the image that was restored.
prove() {
	local hash
	hash=$(dd if=/tmp/image bs=512 skip="$2" count="$sectors" status=none | sha256sum | cut -d ' ' -f 1)
	[ "$hash" = "$3" ] || fail "at $1 the part is not what was written"
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
# The scan runs while both write. They hash their parts, which is slow here: small ones.
check dd if=/dev/urandom of=/dev/vda bs=1M count=20 oflag=direct status=none
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 2s' 'points = 20s' 'scan-rate = 4M'
for part in 0 1; do
	historian /dev/vda data "w$part" "/tmp/history.$part" "${starts[part]}" "$sectors" 0 $((SEED + part)) 2000 &
	writers[part]=$!
	cleanup stop_writer_if_running "${writers[part]}"
done
start_daemon
marks_of_all() {
	[ "$(cat /tmp/history.* | wc -l)" -ge $((2 * boundaries)) ]
}
wait_until 600 marks_of_all
for part in 0 1; do
	stop_writer "${writers[part]}"
done
stop_daemon
check tidemark verify
check tidemark log data
check dmsetup remove data
tried=0
for part in 0 1; do
	early=yes
	while read -r mark hash; do
		# Marks of before the scan had ended are of no instant that can be had.
		tidemark restore --mark "$mark" /tmp/image --force --quiet 2>/tmp/errors || {
			[ -n "$early" ] || fail "$mark: $(</tmp/errors)"
			continue
		}
		early=
		prove "$mark" "${starts[part]}" "$hash"
		tried=$((tried + 1))
	done <"/tmp/history.$part"
done
[ "$tried" -ge "$boundaries" ] || fail "only $tried boundaries could be had"
last=$(tidemark log data --json | jq '.intervals[-1].last_seq')
check tidemark restore --seq "$last" /tmp/image --force
same_device /tmp/image /dev/vda
echo "$tried boundaries came back"

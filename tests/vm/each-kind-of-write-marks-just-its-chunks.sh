#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Each kind of bio that can change a disk, each way to submit one: just the chunks
# that it touches are in the increment, and what they held at a cut is preserved.
#
# vm: disks=32M,32M:nvme mem=1024 timeout=400

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:nvme module:scsi_debug module:tm-disk dmsetup rawagent bios same

decoys=16

# bios KIND on the range, twice: first the chunks are marked, then, with a cut made
# and its reader busy with the decoys, they are frozen. FLAGS and SECTORS: such a bio
# must have been queued, see issued().
# try KIND LENGTH [FLAGS [SECTORS]]
try() {
	local kind=$1 length=$2 status=0 chunks
	offset=$((offset + (1 << 20) + 12288))
	[ "$((offset + length))" -lt "$(blockdev --getsize64 "$node")" ] || offset=$(((decoys + 2) << 16 | 4096))
	chunks=$(((offset + base + length - 1) / 65536 - (offset + base) / 65536 + 1))
	check bios write "$disk" 0 $((decoys << 16))
	trace_start
	bios "$kind" "$node" "$offset" "$length" || status=$?
	[ "$status" -ne 77 ] || { echo "-- $node has no $kind" && return; }
	[ "$status" -eq 0 ] || fail "$kind: status $status"
	[ $# -lt 3 ] || issued "$disk" "${@:3}" || fail "$kind: no such bio was queued: ${*:3}"
	dirty_is $((decoys + chunks))
	try_in_cut "$kind" "$length"
	[ "$(said volume preserved)" -gt 0 ] || fail "the $kind did not come in the reader's way"
	dirty_is "$chunks"
	expect_frozen volume "$chunks"
	echo "-- $node: $kind of $length bytes: $chunks chunks"
	tried+=" $kind"
}

try_in_cut() {
	local reader
	check dd if="$disk" of=/tmp/truth bs=1M iflag=direct status=none
	image volume slow=40000 &
	reader=$!
	wait_until 20 cut_is volume active
	check bios "$1" "$node" "$offset" "$2"
	wait "$reader" || fail "no image"
	check same /tmp/truth 0 "$sectors" /tmp/image.volume
}

dirty_is() {
	[ "$(dirty volume)" -eq "$1" ] || fail "$(dirty volume) dirty chunks, not $1"
}

# use DISK [NODE BASE]: the disk attached, and the node that is written, BASE bytes
# behind the disk's start.
use() {
	disk=$1 node=${2:-$1} base=${3:-0} offset=$((decoys << 16))
	sectors=$(blockdev --getsz "$disk")
	[ -n "${node_of[volume]:-}" ] || {
		check dd if=/dev/urandom of="$disk" bs=1M oflag=direct conv=notrunc status=none count=32
		track volume "$disk"
		image volume full
	}
}

load_module
check rmmod nvme
check modprobe nvme poll_queues=1
wait_until 10 test -b /dev/nvme0n1
tried=''

echo "== virtio"
use /dev/vda
try write 1048576 'W.*'
try vector 299520
try huge 6291456 'W.*' 4096
try fua 8192 'WF.*'
try nowait 131072
try atomic 4096
try uring 200704
try uring-nowait 4096
try buffered 200704
try mapped 200704
try discard 1048576 'D.*'
try secure-erase 1048576 'DE.*'
try zeroes 1048576 'N.*|WZ.*'
try punch 1048576 'N.*|WZ.*'

echo "== split below, and coming back"
echo 4 >/sys/block/vda/queue/max_sectors_kb
try write 524288 'W.*' 1024
try discard 1048576
sfdisk -q /dev/vda <<<'2049,60000,L'
wait_until 5 test -b /dev/vda1
expect_frozen volume 1
use /dev/vda /dev/vda1 $((2049 * 512))
try write 524288 'W.*' 1024
try zeroes 524288
untrack volume

echo "== NVMe, with queues that are polled"
use /dev/nvme0n1
try polled 65536
try polled 4096
try fua 8192 'WF.*'
try huge 6291456 'W.*' 4096
try nowait 65536
try discard 1048576 'D.*'
try zeroes 1048576
untrack volume

echo "== SCSI, with all that its emulation has"
check modprobe scsi_debug dev_size_mb=32 lbpu=1 lbpws=1 atomic_wr=1
cleanup rmmod scsi_debug
wait_until 10 test -b /dev/sda
use /dev/sda
try fua 8192 'WF.*'
try atomic 4096
try discard 1048576 'D.*'
try punch 1048576
untrack volume

echo "== a disk that erases securely"
test_disk add td0 size=32M discard=1
use /dev/td0
try secure-erase 1048576 'DE.*'
untrack volume

echo "== an empty flush"
track volume /dev/vda
image volume full
trace_start
check bios flush /dev/vda 0 0
issued /dev/vda 'FW.*' || fail "no flush was queued"
expect_frozen volume 0

echo "tried:$tried"
for kind in write vector huge fua nowait uring uring-nowait buffered mapped polled discard zeroes punch \
	secure-erase; do
	[[ " $tried " == *" $kind "* ]] || fail "no device had $kind"
done

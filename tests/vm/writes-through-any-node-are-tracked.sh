#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A whole disk and its partition, each attached: what is written through the disk's
# node, through the partition's, or through device-mapper above, is dirty in both,
# at the right chunk; what lies outside the partition is dirty in the disk only.
#
# vm: disks=64M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent sfdisk

start=6144 # sectors: chunk 48 of the disk
length=40960

dirty() {
	dmsetup status "$1" | sed -E 's/.* ([0-9]+)\/[0-9]+ .*/\1/'
}

# Bring both images up to date, want this many dirty chunks first.
expect_dirty() {
	local disk=$1 part=$2
	echo "dirty: disk $(dirty disk), partition $(dirty part)"
	[ "$(dirty disk)" -eq "$disk" ] || fail "$disk dirty chunks on the disk, not $(dirty disk)"
	[ "$(dirty part)" -eq "$part" ] || fail "$part dirty chunks on the partition, not $(dirty part)"
	rawagent image /dev/mapper/disk /dev/vda /tmp/disk
	rawagent image /dev/mapper/part /dev/vda1 /tmp/part
	check dd if=/dev/vda of=/tmp/truth bs=1M iflag=direct status=none
	same_device /tmp/disk /tmp/truth
	check cmp -n $((length * 512)) /tmp/part <(tail -c +$((start * 512 + 1)) /tmp/truth)
}

# put NODE SECTOR COUNT: random direct write
put() {
	check dd if=/dev/urandom of="$1" bs=512 seek="$2" count="$3" oflag=direct conv=notrunc status=none
}

load_module
echo "$start,$length,L" | check sfdisk -q /dev/vda
wait_until 5 test -b /dev/vda1
check dmsetup create disk --table "0 131072 tidemark track /dev/vda 0"
cleanup dmsetup remove disk
check dmsetup create part --table "0 $length tidemark track /dev/vda1 0"
cleanup dmsetup remove part
check dmsetup create above --table "0 1024 linear /dev/vda1 1024"
cleanup dmsetup remove above

expect_dirty 1024 320
put /dev/vda1 0 8
expect_dirty 1 1
put /dev/vda $((start + 128)) 8
expect_dirty 1 1
put /dev/mapper/above 130 4
expect_dirty 1 1
put /dev/vda 100 1
expect_dirty 1 0
# Over the partition's end: one chunk of each side, two on the disk.
put /dev/vda $((start + length - 1)) 2
expect_dirty 2 1
# Over a chunk's border.
put /dev/vda1 127 2
expect_dirty 2 2

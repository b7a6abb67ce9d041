#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A range beyond the device's end is ERANGE, the same range twice is EBUSY, each with
# a sentence in the kernel's log; ranges that touch or overlap are as good as any.
#
# vm: disks=16M mem=640 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup sfdisk

# turned_down TEXT SENTENCE SECTORS DEVICE START: and it leaves no device behind.
turned_down() {
	dmesg -c >/dev/null
	refused 1 "$1" dmsetup create wrong --table "0 $3 tidemark track $4 $5"
	dmesg | grep -F "$2" || fail "the kernel's log does not say '$2'"
	[ ! -e /dev/mapper/wrong ] || fail "a device was left behind"
}

beyond() {
	turned_down 'result out of range' 'the range goes beyond the end of the device' "$@"
}

taken() {
	turned_down 'busy' 'this range of the device is attached already' "$@"
}

accepted() {
	check dmsetup create "$1" --table "0 $2 tidemark track $3 $4"
	cleanup dmsetup remove "$1"
}

load_module
echo "2048,8192,L" | check sfdisk -q /dev/vda
wait_until 5 test -b /dev/vda1
all=$(blockdev --getsz /dev/vda)

beyond "$((all + 1))" /dev/vda 0
beyond 1 /dev/vda "$all"
beyond 2 /dev/vda $((all - 1))
beyond 8 /dev/vda 18446744073709551608
beyond "$all" /dev/vda 18446744073709551615
beyond 8193 /dev/vda1 0
beyond 1 /dev/vda1 8192

accepted all "$all" /dev/vda 0
taken "$all" /dev/vda 0
accepted last 1 /dev/vda $((all - 1))
taken 1 /dev/vda $((all - 1))
accepted left 4096 /dev/vda 0
accepted right $((all - 4096)) /dev/vda 4096
accepted inside $((all - 2)) /dev/vda 1
# The partition and the same sectors of the disk are one range.
accepted part 8192 /dev/vda1 0
taken 8192 /dev/vda1 0
taken 8192 /dev/vda 2048
accepted partly 8191 /dev/vda1 0

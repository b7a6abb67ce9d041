#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A large discard is a chain of bios, each of which completes the next. Where the
# first is the last to land, all of them end at once, and no stack is used up.
#
# vm: mem=640 timeout=120

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:dm-delay module:tm-disk dmsetup bios

landed() {
	[ "$(awk '{ print $12 }' /sys/block/td0/stat)" -ge "$1" ]
}

load_module
test_disk add td0 mode=null size=4096G
sectors=$(blockdev --getsz /dev/td0)
# Its first 4 KiB take 5 s, the rest takes no time: 4 GiB a bio, 1024 of them.
check modprobe dm-delay
dmsetup create late <<-TABLE
	0 8 delay /dev/td0 0 5000
	8 $((sectors - 8)) linear /dev/td0 8
TABLE
cleanup dmsetup remove late
track volume /dev/mapper/late 0 "$sectors" chunk_sectors 2048

bios discard /dev/mapper/late 0 $((sectors * 512)) &
writer=$!
wait_until 60 landed 1024
kill -0 "$writer" || fail "the first one has landed before the others: nothing was proved"
check wait "$writer"
landed 1025

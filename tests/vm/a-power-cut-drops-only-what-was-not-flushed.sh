#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A power cut takes from the test disk some of what was not flushed, and nothing
# that was: by the books of the writer, not of the disk.
#
# vm: mem=640 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires module:tm-disk cutcheck

test_disk add td0 size=16M cache=1
check cutcheck td0 4096 "${ROUNDS:-10}" 1
[ "$(test_disk_says td0 dropped)" -gt 0 ] || fail "the disk dropped nothing"

# Larger than the sector that stays whole, and shuffled on its way.
test_disk add td1 size=16M logical=512 physical=512 cache=1 queues=2 window=3 seed=2
check cutcheck td1 512 "${ROUNDS:-5}" 2

head -c 1048576 /dev/urandom >/tmp/data

# The same power cut twice leaves the same: tests can be repeated.
leave_behind() {
	test_disk add "$1" size=1M cache=1
	dd if=/tmp/data of="/dev/$1" bs=4k oflag=direct status=none
	test_disk power_cut "$1" "seed=$2"
	test_disk power_on "$1"
}
leave_behind td2 7
leave_behind td3 7
leave_behind td4 8
same_device /dev/td2 /dev/td3
! cmp -s <(read_media /dev/td2) <(read_media /dev/td4) || fail "another seed, the same loss"

# Without a cache nothing is lost.
test_disk add td5 size=1M
dd if=/tmp/data of=/dev/td5 bs=4k oflag=direct status=none
test_disk power_cut td5
test_disk power_on td5
same_device /dev/td5 /tmp/data

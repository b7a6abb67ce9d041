#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A bio of one block that is written all over a range (up to Linux 5.17) marks all
# chunks of the range, waits where they are frozen, and is in the stream at its length.
#
# vm: mem=1024 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark module:scsi_debug module:tm-write-same dmsetup rawagent rawstream same
kernel_older_than 5.18 || skip "no kernel since 5.18 has such a bio"

# write_same SECTOR SECTORS
write_same() {
	trace_start
	check modprobe tm-write-same node=/dev/sda sector="$1" nr_sectors="$2"
	check rmmod tm_write_same
	issued /dev/sda 'W.*' "$2" || fail "it was not one bio"
}

load_module
check modprobe scsi_debug dev_size_mb=32
cleanup rmmod scsi_debug
wait_until 10 test -b /dev/sda
check dd if=/dev/urandom of=/dev/sda bs=1M oflag=direct conv=notrunc status=none count=32

track volume /dev/sda
image volume full
write_same 4100 3000 # chunks 32 to 55
expect_frozen volume 24

check dd if=/dev/sda of=/tmp/truth bs=1M iflag=direct status=none
image volume full slow=20000 &
reader=$!
wait_until 20 cut_is volume active
write_same 61100 3000
wait "$reader" || fail "no image"
[ "$(said volume preserved)" -gt 0 ] || fail "it did not come in the reader's way"
check same /tmp/truth 0 65536 /tmp/image.volume
expect_frozen volume 24
untrack volume

check dmsetup create volume --table "0 65536 tidemark stream /dev/sda 0 2 stall_ms 60000"
cleanup dmsetup remove volume
follow /dev/sda /tmp/stream
wait_until 60 has_said scanned 1
write_same 300 10
write_same 8003 5000 # more than one record holds
stop_following
check rawstream list /tmp/stream
dmsetup status volume | grep ' gaps 0 '
check rawstream replay /tmp/stream /tmp/replayed
same_device /tmp/replayed /dev/sda

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Of a write that was recorded one part fails on the disk: the stream is told to read
# its whole range again, and replays to what the disk has.
#
# vm: mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark module:tm-disk dmsetup rawstream bios

# fail_once KIND OP OFFSET LENGTH: the disk fails in the middle.
fail_once() {
	local middle=$((($3 + $4 / 2) / 512))
	test_disk fail td0 op="$2" first=$middle last=$middle count=1
	! bios "$1" /dev/td0 "$3" "$4" || fail "the $1 did not fail"
	test_disk heal td0
	echo "rescan $(($3 / 512)) $(($4 / 512))" >>/tmp/wanted
}

load_module
test_disk add td0 size=16M max_kb=64
check dd if=/dev/urandom of=/dev/td0 bs=1M oflag=direct conv=notrunc status=none count=16
check dmsetup create volume --table "0 32768 tidemark stream /dev/td0 0 2 stall_ms 60000"
cleanup dmsetup remove volume
follow /dev/td0 /tmp/stream
wait_until 60 has_said scanned 1

fail_once write write 4096 4096
fail_once write write $((1 << 20)) 524288
fail_once vector write $((3 << 20)) 65536
fail_once uring write $((5 << 20)) 32768
fail_once discard discard $((7 << 20)) 1048576
check bios write /dev/td0 $((9 << 20)) 524288

stop_following
dmsetup status volume | grep ' gaps 0 '
rawstream list /tmp/stream >/tmp/list
grep '^rescan' /tmp/list >/tmp/have
cmp /tmp/have /tmp/wanted || {
	cat /tmp/list
	fail "not just what failed is read again"
}
check rawstream replay /tmp/stream /tmp/image
same_device /tmp/image /dev/td0

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A write submitted before the stream began and completed after its chunk was read
# is in no record and not in the first image: the stream says that it landed.
#
# vm: disks=64M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark module:dm-delay dmsetup rawstream

sectors=$(blockdev --getsz /dev/vda)
load_module
check modprobe dm-delay
# Reads at once, writes after 2 s.
check dmsetup create slow --table "0 $sectors delay /dev/vda 0 0 /dev/vda 0 2000"
cleanup dmsetup remove slow
check dmsetup create volume --table "0 $sectors tidemark stream /dev/mapper/slow 0"
cleanup dmsetup remove volume

for first_image in fuzzy precise; do
	dd if=/dev/urandom of=/dev/mapper/slow bs=64k seek=7 count=1 oflag=direct conv=notrunc status=none &
	early=$!
	sleep 0.3
	options=()
	[ "$first_image" = fuzzy ] || options+=(precise)
	follow /dev/mapper/slow "/tmp/$first_image" "${options[@]}"
	wait_until 30 grep -q '^streaming' /tmp/said
	kill -0 "$early" || fail "the write was not in flight any more: nothing was proved"
	wait "$early"
	wait_until 30 grep -q '^scanned 1024$' /tmp/said
	stop_following
	grep '^records .* rescans 1$' /tmp/said
	check rawstream replay "/tmp/$first_image" /tmp/image
	dd if=/dev/mapper/slow of=/tmp/truth bs=1M iflag=direct status=none
	same_device /tmp/image /tmp/truth
done

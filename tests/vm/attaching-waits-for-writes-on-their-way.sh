#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A write that passed before the attachment was there, and lands after the first
# image was read, would be in no image. So attaching to a mapped device waits for it.
#
# vm: disks=64M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark module:dm-delay dmsetup rawagent

sectors=$(blockdev --getsz /dev/vda)

image() {
	rawagent image /dev/mapper/volume /dev/mapper/slow /tmp/image "$@"
}

load_module
check modprobe dm-delay
# Reads at once, writes after 1.5 s.
check dmsetup create slow --table "0 $sectors delay /dev/vda 0 0 /dev/vda 0 1500"
cleanup dmsetup remove slow

dd if=/dev/urandom of=/dev/mapper/slow bs=64k seek=7 count=1 oflag=direct conv=notrunc status=none &
early=$!
sleep 0.5
kill -0 "$early" || fail "the write was not in flight any more: nothing was proved"
check dmsetup create volume --table "0 $sectors tidemark track /dev/mapper/slow 0"
cleanup dmsetup remove volume
image full
# Nothing is left over, and nothing is read twice to be sure.
wait "$early"
image | grep '^frozen 0 '
dd if=/dev/mapper/slow of=/tmp/truth bs=1M iflag=direct status=none
same_device /tmp/image /tmp/truth

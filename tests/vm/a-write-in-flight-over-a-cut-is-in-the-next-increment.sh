#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A device that delays writes: a write submitted before a cut and completed after
# the reader has passed it is not in the image, and must be in the next increment.
#
# vm: disks=64M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark module:dm-delay dmsetup rawagent

sectors=$(blockdev --getsz /dev/vda)

image() {
	rawagent image /dev/mapper/volume /dev/mapper/slow /tmp/image "$@"
}

write_chunk() {
	dd if=/dev/urandom of=/dev/mapper/slow bs=64k seek="$1" count=1 oflag=direct conv=notrunc status=none
}

load_module
check modprobe dm-delay
# Reads at once, writes after 1.5 s.
check dmsetup create slow --table "0 $sectors delay /dev/vda 0 0 /dev/vda 0 1500"
cleanup dmsetup remove slow
check dmsetup create volume --table "0 $sectors tidemark track /dev/mapper/slow 0"
cleanup dmsetup remove volume

image full | grep '^frozen 1024 '

write_chunk 7 &
early=$!
sleep 0.5
image >/tmp/said
kill -0 "$early" || fail "the write was not in flight any more: nothing was proved"
cat /tmp/said
wait "$early"

# Whether or not the first increment caught it: the second one carries it.
image | grep '^frozen 1 '
dd if=/dev/mapper/slow of=/tmp/truth bs=1M iflag=direct status=none
same_device /tmp/image /tmp/truth

# And it is carried once, not for ever.
image | grep '^frozen 0 '

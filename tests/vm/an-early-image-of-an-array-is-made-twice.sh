#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# An md array cannot say which writes are on their way when it is attached. An image
# cut right after that leaves everything dirty, so that the next one has them.
#
# vm: disks=32M,32M mem=768 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark module:dm-delay module:raid0 mdadm dmsetup rawagent

image() {
	rawagent image /dev/mapper/volume /dev/md0 /tmp/image "$@"
}

load_module
check modprobe dm-delay
check modprobe raid0
for disk in vda vdb; do
	# Reads at once, writes after 5 s.
	check dmsetup create slow-$disk --table "0 8192 delay /dev/$disk 0 0 /dev/$disk 0 5000"
	cleanup dmsetup remove slow-$disk
done
check mdadm --quiet --build /dev/md0 --level=0 --chunk=64 --raid-devices=2 /dev/mapper/slow-vda /dev/mapper/slow-vdb
cleanup mdadm --quiet --stop /dev/md0

dd if=/dev/urandom of=/dev/md0 bs=256k seek=7 count=1 oflag=direct conv=notrunc status=none &
early=$!
sleep 0.3
check dmsetup create volume --table "0 $(blockdev --getsz /dev/md0) tidemark track /dev/md0 0"
cleanup dmsetup remove volume
image full | tee /tmp/said
kill -0 "$early" || fail "the write was not in flight any more: nothing was proved"
wait "$early"
chunks=$(sed -nE 's/^frozen ([0-9]+) .*/\1/p' /tmp/said)
image | grep "^frozen $chunks "
dd if=/dev/md0 of=/tmp/truth bs=1M iflag=direct status=none
same_device /tmp/image /tmp/truth

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A write that passed before the attachment was made can be on its way for long: held
# back by a cgroup's limit, or by an array that cannot say so. An image cut right after
# leaves everything dirty, so that the next one has it. A frozen file system settles it.
#
# vm: disks=32M,32M,64M,64M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:dm-delay module:raid0 mdadm dmsetup rawagent rawstream bios

# prove_early NODE WRITER: its write was on its way when NODE was attached, and still is.
prove_early() {
	local node=$1 early=$2 chunks
	track volume "$node"
	image volume full
	kill -0 "$early" || fail "the write was not in flight any more: nothing was proved"
	wait "$early"
	chunks=$(said volume frozen)
	image volume
	[ "$(said volume frozen)" -eq "$chunks" ] || fail "the image was not made twice"
	exact volume
	refused 1 'in progress' rawstream follow /dev/mapper/volume "$node" /tmp
	untrack volume
}

load_module settle_ms=60000
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
prove_early /dev/md0 "$early"

group=/sys/fs/cgroup/slow
[ -e /sys/fs/cgroup/cgroup.controllers ] || check mount -t cgroup2 cgroup /sys/fs/cgroup
echo +io >/sys/fs/cgroup/cgroup.subtree_control
mkdir $group
echo "$(lsblk -dno MAJ:MIN /dev/vdc | tr -d ' ') wbps=131072" >$group/io.max
(
	echo "$BASHPID" >$group/cgroup.procs
	exec bios write /dev/vdc $((10 << 20)) 1048576
) &
early=$!
sleep 1
prove_early /dev/vdc "$early"

# The file system on the device has nothing on its way while it is frozen.
make_ext4 /dev/vdd
mount_ext4 /dev/vdd /mnt/data
track volume /dev/vdd
check dd if=/dev/urandom of=/mnt/data/file bs=1M count=4 conv=fsync status=none
image volume full freeze=/dev/vdd
# The file system may have written its superblock since.
[ "$(dirty volume)" -lt 100 ] || fail "$(dirty volume) chunks are dirty after a frozen cut"
check umount /mnt/data
image volume
exact volume

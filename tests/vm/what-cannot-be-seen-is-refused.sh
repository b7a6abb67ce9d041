#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What the module could not see is refused when it is to be attached, in words:
# zoned devices, RAM disks that take pages past the block layer, DAX.
#
# vm: disks=32M,32M:virtio:4096 mem=640 args=memmap=32M!512M timeout=90

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires tidemark module:dm-tidemark module:null_blk dmsetup

# The module says why in the kernel log; tidemark passes it on.
refuses() {
	local text=$1 node=$2
	dmesg -c >/dev/null
	! dmsetup create volume --table "0 8 tidemark track $node 0" || fail "$node was attached"
	dmesg | grep -F "$text" || fail "the kernel log does not say why"
	refused 6 'cannot be seen' tidemark attach "$node"
}

load_module

echo "== a zoned device"
check modprobe null_blk nr_devices=1 zoned=1 zone_size=4 gb=1 memory_backed=0
cleanup rmmod null_blk
refuses 'zoned devices are not supported' /dev/nullb0

echo "== a mapped device above it"
check dmsetup create above --table '0 16384 linear /dev/nullb0 0'
cleanup dmsetup remove above
refuses 'zoned devices are not supported' /dev/mapper/above

echo "== a RAM disk"
if modprobe -q brd rd_nr=1 rd_size=16384; then
	cleanup rmmod brd
	# Up to 6.5 it takes pages past the block layer, later it does not.
	if dmsetup create volume --table '0 8 tidemark track /dev/ram0 0'; then
		check dmsetup remove volume
	else
		refuses 'takes pages past the block layer' /dev/ram0
	fi
fi

echo "== memory that keeps its content"
if modprobe -qa nd_e820 nd_pmem && wait_until 10 test -b /dev/pmem0; then
	refuses '(DAX)' /dev/pmem0
	check dmsetup create mapped --table '0 16384 linear /dev/pmem0 0'
	cleanup dmsetup remove mapped
	refuses '(DAX)' /dev/mapper/mapped
fi

echo "== parts of blocks"
! dmsetup create volume --table '0 8 tidemark track /dev/vdb 1' || fail "half blocks were attached"
! dmsetup create volume --table '0 9 tidemark track /dev/vdb 8' || fail "half blocks were attached"
refused 2 'multiples' tidemark attach /dev/vdb --start 1
refused 2 'multiples' tidemark attach /dev/vdb --sectors 9
check tidemark attach /dev/vdb --start 8 --sectors 16
check tidemark detach /dev/vdb

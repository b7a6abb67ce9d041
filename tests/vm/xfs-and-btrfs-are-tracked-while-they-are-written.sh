#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# XFS, btrfs and btrfs on two disks: the image of each disk under a mounted file
# system that is written all the time is exact at the cut.
#
# vm: disks=128M,128M mem=1280 timeout=240

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:xfs module:btrfs dmsetup rawagent same

# prove NODE COMMAND...: the file system that COMMAND makes on NODE
prove() {
	local node=$1
	shift
	put_in_use "$node" "$@"
	track one /dev/vda
	track two /dev/vdb
	images one two -- full slow=300
	[ "$(said one preserved)" -gt 0 ] || fail "no write came in the reader's way"
	exact_when_frozen one two
	exact_when_frozen one two
	check fstrim /mnt/data
	exact_when_frozen one two
	untrack one
	untrack two
	put_out_of_use
}

load_module
check modprobe -a xfs btrfs
prove /dev/vda mkfs.xfs -q -f --unsupported
prove /dev/vda mkfs.btrfs -q -f
# The other half of this file system is on /dev/vdb.
prove /dev/vda mkfs.btrfs -q -f -d raid0 -m raid1 /dev/vdb

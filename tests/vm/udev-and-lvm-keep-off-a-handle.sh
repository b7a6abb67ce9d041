#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# With Debian's udev running, nobody looks at the node of an interposed attachment,
# whoever made it and whatever event comes: links and volume groups stay with the
# live device. A stacked device is seen. Nothing waits for udev in vain, and nothing
# waits for it where there is none.
#
# vm: disks=64M,64M,64M,64M mem=768 timeout=300 udev

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh
# shellcheck source=lib-udev.sh
. lib-udev.sh

requires tidemark module:dm-tidemark /usr/lib/systemd/systemd-udevd dmsetup lvm rawagent bios

handles=(/dev/mapper/vda-track /dev/mapper/vdb-track /dev/mapper/by-hand)
uuid=5a1b4f0e-6d2c-4c57-9f0a-31c1f2a7d0e8

all_are_ignored() {
	local node
	settle
	for node in "${handles[@]}"; do
		is_ignored "$node"
	done
	untouched "${handles[@]}"
	links_to "by-uuid/$uuid" /dev/vda
	links_to by-label/live /dev/vda
	links_to by-label/third /dev/vdc
}

# The agent stores nonsense, and a write to a frozen chunk finds it.
lose_cut() {
	local name=$1 node=$2 agent
	rawagent break "/dev/mapper/$name" >/tmp/broken &
	agent=$!
	wait_until 30 grep -qx cut /tmp/broken
	check bios write "$node" $((60 << 20)) 4096
	check wait "$agent"
}

load_module
make_ext4 -U $uuid -L live /dev/vda
make_ext4 -L third /dev/vdc
check lvm pvcreate -q /dev/vdb
check lvm vgcreate -q group /dev/vdb

# Without udev.
check tidemark attach /dev/vda --name vda-track
[ -b /dev/mapper/vda-track ] || fail "there is no node"
check tidemark detach /dev/vda

start_udev
check lvm lvcreate -qy -n volume -l 4 group
cleanup lvm vgchange -qan group
trace_start
check tidemark attach /dev/vda --name vda-track
check tidemark attach /dev/vdb --name vdb-track
track by-hand /dev/vdc
all_are_ignored
coldplug
all_are_ignored
check udevadm trigger --action=change
all_are_ignored
check dmsetup reload by-hand --table "$(dmsetup table by-hand)"
check dmsetup resume by-hand
all_are_ignored

# An administrator's rule is told of a lost cut; nothing else happens.
mkdir -p /run/udev/rules.d
cat >/run/udev/rules.d/90-lost.rules <<'RULE'
SUBSYSTEM=="block", ENV{TIDEMARK_CUT}=="lost", RUN+="/bin/sh -c 'echo $env{DM_NAME} >>/run/lost'"
RULE
check udevadm control --reload
lose_cut vda-track /dev/vda
lose_cut by-hand /dev/vdc
for name in vda-track by-hand; do
	wait_until 30 grep -sqx $name /run/lost
done
all_are_ignored

# LVM looks for itself; at the handle it can read nothing.
lvm pvs -o pv_name --noheadings >/tmp/pvs 2>/tmp/pvs.said
cat /tmp/pvs.said
[ "$(xargs </tmp/pvs)" = /dev/vdb ] || fail "not one PV: $(</tmp/pvs)"
! grep -iE 'duplicate|warning' /tmp/pvs.said || fail "pvs saw the PV twice"

# What carries data is treated like any other mapped device.
check dmsetup create stacked --table "0 $(blockdev --getsz /dev/vdd) tidemark track /dev/vdd 0 1 stacked"
make_ext4 -L on-top /dev/mapper/stacked
settle
known /dev/mapper/stacked 'E: ID_FS_LABEL=on-top' || fail "stacked was not probed: $(</tmp/known)"
! known /dev/mapper/stacked 'E: (UDISKS_IGNORE|SYSTEMD_READY)=.*' || fail "stacked is ignored: $(</tmp/known)"
links_to by-id/dm-name-stacked "$(readlink -f /dev/mapper/stacked)"
check dmsetup remove stacked

check tidemark detach /dev/vda
check tidemark detach /dev/vdb
untrack by-hand
! dmsetup udevcookies | grep ^0x || fail "a cookie is left"
settle
[ -z "$(find /dev/mapper -name '*-track' -o -name by-hand -o -name stacked)" ] || fail "a link is left"

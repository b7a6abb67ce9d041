#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A device that is not attached, and standard input, are backed up without the kernel
# module: exactly, stored once. One that is mounted read-write is refused without
# force; sectors that cannot be read are named.
#
# vm: disks=48M,192M mem=640 timeout=180

# shellcheck source=lib.sh
. lib.sh

requires tidemark dmsetup

export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
dd if=/dev/urandom of=/mnt/data/file bs=1M count=12 status=none
sync

refused 3 'tidemark attach /dev/vda' tidemark backup /dev/vda
check tidemark backup --force --quiet /dev/vda
check mount -o remount,ro /mnt/data
check tidemark backup --quiet /dev/vda
check umount /mnt/data

# same NAME: the latest point is the device's content, and its volume is NAME.
same() {
	rm -f /tmp/image
	check tidemark restore --quiet latest /tmp/image
	check cmp /tmp/image /dev/vda
	[ "$(tidemark points --json | json 'points[-1].volume')" = "$1" ] || fail "not of $1"
}

check tidemark backup --quiet /dev/vda
same /dev/vda
check tidemark backup --quiet /dev/vda
[ "$(tidemark points --json | json 'points[-1].stored_bytes')" = 0 ] || fail "stored twice"
tidemark backup --quiet --name piped - </dev/vda || fail "standard input was not backed up"
same piped
refused 1 'is empty' tidemark backup --name piped - </dev/null
refused 2 'give one with --name' tidemark backup - </dev/vda
refused 2 'by itself' tidemark backup /dev/vda /dev/vdb
refused 3 'mounted' tidemark backup /dev/vdb

# Two chunks with bad sectors, and a disk of nothing else.
check dmsetup create holey <<<$'0 2048 linear /dev/vda 0\n2048 129 error\n2177 96127 linear /dev/vda 2177'
cleanup dmsetup remove holey
refused 5 '2 chunks could not be read' tidemark backup --quiet /dev/mapper/holey
check dmsetup create dead --table '0 2048 error'
cleanup dmsetup remove dead
refused 4 'cannot be read anywhere' tidemark backup --quiet /dev/mapper/dead
check tidemark verify
[ ! -e /sys/module/dm_tidemark ] || fail "the module was loaded"

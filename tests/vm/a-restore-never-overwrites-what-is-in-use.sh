#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A restore writes nothing to a place that is in use, too small, or holds
# something else; the last of these it does when forced.
#
# vm: disks=64M,64M,256M,32M mem=640 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:loop

# untouched 3 'mounted' DEVICE [OPTION]...: refused, and not one byte is different.
untouched() {
	local status=$1 text=$2 target=$3 before
	shift 3
	before=$(sha256sum <"$target")
	refused "$status" "$text" tidemark restore latest "$target" "$@"
	[ "$(wc -l </tmp/refused)" -eq 1 ] || fail "not one line"
	[ "$(sha256sum <"$target")" = "$before" ] || fail "$target was changed"
}

load_module
check modprobe loop
mkdir /mnt/target
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
make_ext4 /dev/vda
check tidemark attach /dev/vda
check tidemark backup /dev/vda --quiet

untouched 3 'attachment tidemark-vda' /dev/vda --force
refused 3 'name the device' tidemark restore latest /dev/mapper/tidemark-vda --force
check tidemark detach /dev/vda

# Onto itself: the same volume, so nobody has to be forced.
check tidemark restore latest /dev/vda
# A blank device neither.
check tidemark restore latest /dev/vdb
same_device /dev/vda /dev/vdb

check mount -t ext4 -o ro,noload /dev/vdb /mnt/target
untouched 3 'mounted at /mnt/target' /dev/vdb --force
check umount /mnt/target

make_ext4 /dev/vdb
untouched 3 '--force' /dev/vdb
check tidemark restore latest /dev/vdb --force
same_device /dev/vda /dev/vdb

check dmsetup create above --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
untouched 3 'lies on it' /dev/vdb --force
check mount -t ext4 -o ro,noload /dev/mapper/above /mnt/target
untouched 3 'mounted at /mnt/target' /dev/vdb --force
check umount /mnt/target
check dmsetup remove above

# A partition of it is mounted; and the other way round.
check sfdisk -q /dev/vdb <<<$'2048,16384\n20480,\n'
wait_until 5 test -b /dev/vdb1
make_ext4 /dev/vdb1
check mount -t ext4 /dev/vdb1 /mnt/target
untouched 3 'mounted at /mnt/target' /dev/vdb --force
check umount /mnt/target
untouched 3 'point needs' /dev/vdb2 --force
untouched 3 'point needs' /dev/vdd --force
wipefs -qa /dev/vdb1 /dev/vdb

if command -v mkswap >/dev/null; then
	check mkswap /dev/vdb
	check swapon /dev/vdb
	untouched 3 'swap' /dev/vdb --force
	check swapoff /dev/vdb
fi

# Where the repository is.
untouched 3 '' /dev/vdc --force
check truncate -s 96M /mnt/repository/file
loop=$(losetup -f --show /mnt/repository/file)
untouched 3 'loop device' /mnt/repository/file --force
check losetup -d "$loop"
object=$(find "$TIDEMARK_REPOSITORY" -type f | head -n 1)
untouched 3 'inside the repository' "$object" --force

# Files.
check rm /mnt/repository/file
check tidemark restore latest /mnt/repository/image
cmp /dev/vda /mnt/repository/image || fail "the image is not the volume"
[ "$(stat -c %b /mnt/repository/image)" -lt 65536 ] || fail "the image has no holes"
untouched 3 '--force' /mnt/repository/image
check tidemark restore latest /mnt/repository/image --force
refused 4 'no such block device' tidemark restore latest /dev/vdx
[ ! -e /dev/vdx ] || fail "made a file in /dev"
refused 4 'no such directory' tidemark restore latest /no/where/image

check tidemark verify

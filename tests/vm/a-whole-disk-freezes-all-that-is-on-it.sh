#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A whole disk's cut freezes every file system on it: on a partition, on a device
# mapped onto another, in a loop file. Their images are clean without a journal's
# replay. And a file system that someone else froze is left as it is.
#
# vm: disks=256M,256M,512M mem=768 timeout=300

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:loop

load_module
check modprobe loop
mkdir /mnt/restored
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"

check sfdisk -q /dev/vda <<<$'2048,204800\n206848,\n'
wait_until 5 test -b /dev/vda2
make_ext4 /dev/vda1
mount_ext4 /dev/vda1 /mnt/one
check dmsetup create layer --table "0 $(blockdev --getsz /dev/vda2) linear /dev/vda2 0"
cleanup dmsetup remove layer
make_ext4 /dev/mapper/layer
mount_ext4 /dev/mapper/layer /mnt/two
check truncate -s 48M /mnt/two/file
loop=$(losetup -f --show /mnt/two/file)
cleanup losetup -d "$loop"
make_ext4 "$loop"
mount_ext4 "$loop" /mnt/three

check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda
for dir in one two three; do
	(while echo "$RANDOM" >>"/mnt/$dir/log" && sync "/mnt/$dir/log"; do :; done) 2>/dev/null &
	cleanup kill $!
done
sleep 1
tidemark backup /dev/vda --json >/tmp/backup
[ "$(json freeze </tmp/backup)" = true ] || fail "did not freeze"

check tidemark restore latest /dev/vdb
wait_until 5 test -b /dev/vdb2
check e2fsck -fn /dev/vdb1
check e2fsck -fn /dev/vdb2
check mount -t ext4 -o ro /dev/vdb2 /mnt/restored
check e2fsck -fn /mnt/restored/file
check umount /mnt/restored

sync_and_freeze /mnt/one
# From 6.8 a freeze nests in somebody else's, which the thaw below has to find.
if kernel_older_than 6.8; then
	refused 7 'frozen by someone else' tidemark backup /dev/vda
else
	check tidemark backup /dev/vda
fi
check tidemark backup /dev/vda --no-freeze
thaw /mnt/one
check tidemark backup /dev/vda
check tidemark verify

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Sectors that the device cannot read are named by backup and restore, by exit
# status 5, and everything else is exact. Once the device can read them again,
# the next backup does.
#
# vm: disks=64M,64M,256M mem=640 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check dd if=/dev/urandom of=/dev/vda bs=1M count=64 status=none
check cp /dev/vda /mnt/repository/original
# Two neighbouring chunks of 128 sectors are bad, a few sectors of one, and the last.
sectors=$(blockdev --getsz /dev/vda)
check dmsetup create dusty <<EOT
0 12800 linear /dev/vda 0
12800 256 error
13056 12584 linear /dev/vda 13056
25640 8 error
25648 $((sectors - 25656)) linear /dev/vda 25648
$((sectors - 8)) 8 error
EOT
cleanup dmsetup remove dusty
check tidemark attach /dev/mapper/dusty --name dusty-volume
cleanup tidemark detach dusty-volume

status=0
tidemark backup dusty-volume --json >/tmp/backup 2>/tmp/said || status=$?
cat /tmp/said
[ "$status" -eq 5 ] || fail "status $status"
[ "$(json unreadable_chunks </tmp/backup)" -eq 4 ] || fail "$(json unreadable_chunks </tmp/backup)"

status=0
tidemark restore latest /dev/vdb 2>/tmp/said || status=$?
cat /tmp/said
[ "$status" -eq 5 ] || fail "status $status"
grep -q "bytes $((12800 * 512)) to $((13056 * 512 - 1))" /tmp/said || fail "the range is not named"
[ "$(wc -l </tmp/said)" -eq 3 ] || fail "not three ranges"

# Zeros there, and nothing else is different.
for chunk in 100 101 200 1023; do
	dd if=/dev/zero of=/mnt/repository/original bs=65536 seek="$chunk" count=1 conv=notrunc status=none
done
same_device /mnt/repository/original /dev/vdb

check dmsetup suspend --nolockfs dusty
check dmsetup load dusty --table "0 $sectors linear /dev/vda 0"
check dmsetup resume dusty
tidemark backup dusty-volume --json >/tmp/backup
[ "$(json kind </tmp/backup)" = full ] || fail "did not read it again"
check tidemark restore latest /dev/vdb --force
same_device /dev/vda /dev/vdb
check tidemark verify

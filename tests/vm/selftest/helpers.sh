#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Helpers that assert: each must fail where it should.
# vm: disks=16M,16M timeout=60

# shellcheck source=../lib.sh
. lib.sh

# Run "$@" in a shell of its own, where it must end the "test".
must_fail() {
	if (trap - ERR; "$@") >/tmp/out 2>&1; then
		fail "did not fail: $*"
	fi
	cat /tmp/out
}

refused 1 'No such file' ls /nowhere
must_fail refused 2 'No such file' ls /nowhere
must_fail refused 1 'another text' ls /nowhere
must_fail refused 0 '' false
must_fail check false

same_device /dev/vda /dev/vdb
echo x >/dev/vdb
must_fail same_device /dev/vda /dev/vdb
cat /dev/vdb >/tmp/image
same_device /tmp/image /dev/vdb
truncate -s -1 /tmp/image
must_fail same_device /tmp/image /dev/vdb
must_fail same_device /dev/vdb /tmp/image
must_fail same_device /tmp/nowhere /tmp/nowhere

[ "$(echo '{"point":"ab","volume_bytes":12}' | json volume_bytes)" = 12 ]
if echo '{}' | json point; then
	fail "a field that is not there was found"
fi
[ "$(disk_bytes /dev/vda)" = 16777216 ]

make_ext4 /dev/vda
must_fail mount_xfs /dev/vda /mnt
mount_ext4 /dev/vda /mnt
start_writer /mnt/tree
wait_for_synced 5
sync_and_freeze /mnt
thaw /mnt
stop_writer "$writer"
must_fail stop_writer "$writer"
umount /mnt

# The mapper's nodes appear without udev.
check dmsetup create planted --table "0 2048 linear /dev/vda 0"
cleanup dmsetup remove planted
[ -b /dev/mapper/planted ]
cmp -n 1048576 /dev/mapper/planted /dev/vda

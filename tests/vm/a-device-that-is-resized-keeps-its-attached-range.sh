#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A device that grows or shrinks while it is attached: the attachment keeps its range,
# the status says what has become of the device, and a backup says it too.
#
# vm: disks=512M,64M mem=1024 timeout=240

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires tidemark module:dm-tidemark module:loop lvm dmsetup rawagent bios same

state_is() {
	[ "$(status_word "$1" device)" = "$2" ] || fail "$(dmsetup status "$1")"
	echo "$1: device $2"
}

load_module
check modprobe loop
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"

echo "== a loop device that grows, and shrinks"
truncate -s 48M /tmp/backing
loop=$(losetup -f --show /tmp/backing)
cleanup losetup -d "$loop"
put_in_use "$loop"
track volume "$loop"
track part "$loop" 81920 4096
images volume part -- full
state_is volume ok
truncate -s 56M /tmp/backing
check losetup -c "$loop"
state_is volume grown
state_is part ok
exact_when_frozen volume part
# Over the old end: the part within is tracked. Behind it: not ours.
check bios write "$loop" $(((48 << 20) - 512)) 1024
check bios write "$loop" $((50 << 20)) 4096
exact_when_frozen volume part
put_out_of_use
expect_frozen volume "$(dirty volume)"
check bios write "$loop" $((50 << 20)) 4096
expect_frozen volume 0

truncate -s 44M /tmp/backing
check losetup -c "$loop"
state_is volume short
state_is part ok
refused 1 'No space' bios write "$loop" $((46 << 20)) 4096
check bios write "$loop" $((41 << 20)) 4096
expect_frozen part 1
[ "$(dirty volume)" -eq 1 ] || fail "$(dmsetup status volume)"
rawagent image /dev/mapper/volume "$loop" /tmp/image.volume full >/tmp/said.volume || true
state_is volume short
truncate -s 48M /tmp/backing
check losetup -c "$loop"
state_is volume ok
images volume -- full
exact volume
untrack volume
untrack part

echo "== a logical volume that grows, in backups"
check lvm pvcreate -q /dev/vdb
check lvm vgcreate -q -s 1M group /dev/vdb
cleanup lvm vgchange -q -an group
check lvm lvcreate -q -y -Wn -l 48 -n plain group
put_in_use /dev/group/plain
check tidemark attach /dev/group/plain --name volume
cleanup tidemark detach volume
check tidemark backup volume --quiet
check lvm lvextend -q -l 56 group/plain
[ "$(tidemark status --json | json .attachments[0].device_state)" = grown ] || fail "$(tidemark status)"
tidemark backup volume --json >/tmp/backup 2>/tmp/said
cat /tmp/said
grep -q 'has grown; what lies beyond 50331648 bytes is not in the backup' /tmp/said || fail "no word of it"
[ "$(json volume_bytes </tmp/backup)" -eq $((48 << 20)) ] || fail "the range has changed"
check tidemark detach volume
check tidemark attach /dev/group/plain --name volume
check tidemark backup volume --quiet
put_out_of_use

echo "== and shrinks"
check lvm lvreduce -q -f -l 40 group/plain
refused 4 'shorter' tidemark backup volume

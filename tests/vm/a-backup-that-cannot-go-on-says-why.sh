#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A repository without space, and a volume that is detached from under a backup,
# end it with one clear error; writers go on, no point is left, and what a backup
# needs next is still known.
#
# vm: disks=96M,96M,256M,24M mem=640 timeout=300

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

cut_is_active() {
	[[ $(dmsetup status tidemark-vda) == *' active '* ]]
}

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/large
make_ext4 /dev/vdd
mount_ext4 /dev/vdd /mnt/small
check tidemark init /mnt/large/tidemark
check tidemark init /mnt/small/tidemark
check dd if=/dev/urandom of=/mnt/data/file bs=1M count=48 conv=fsync status=none
check tidemark attach /dev/vda
check tidemark backup /dev/vda -r /mnt/large/tidemark

check dd if=/dev/urandom of=/mnt/data/file bs=1M count=40 conv=notrunc,fsync status=none
dirty=$(tidemark status --json | json 'attachments[0].dirty_chunks')
refused 8 'space' tidemark backup /dev/vda -r /mnt/small/tidemark --quiet
[ "$(wc -l </tmp/refused)" -eq 1 ] || fail "not one line"
[ "$(tidemark points -r /mnt/small/tidemark --json | jq '.points | length')" -eq 0 ] || fail "a point is there"
[ "$(tidemark status --json | json 'attachments[0].dirty_chunks')" -ge "$dirty" ] || fail "changes were forgotten"
tidemark backup /dev/vda -r /mnt/large/tidemark --json >/tmp/backup
[ "$(json kind </tmp/backup)" = incremental ] || fail "not incremental"

refused 8 'space' tidemark restore latest /mnt/small/image -r /mnt/large/tidemark
[ ! -e /mnt/small/image ] || fail "half an image is there"

tidemark backup /dev/vda -r /mnt/large/tidemark --full 2>/tmp/said >/dev/null &
agent=$!
wait_until 20 cut_is_active
check dmsetup remove tidemark-vda
status=0
wait "$agent" || status=$?
cat /tmp/said
[ "$status" -eq 1 ] || fail "status $status"
grep -q 'detached' /tmp/said || fail "does not say that it was detached"
echo probe >/mnt/data/probe
sync /mnt/data/probe

check tidemark attach /dev/vda
check umount /mnt/data
check tidemark backup /dev/vda -r /mnt/large/tidemark
check tidemark restore latest /dev/vdb -r /mnt/large/tidemark
same_device /dev/vda /dev/vdb
check tidemark detach /dev/vda
check tidemark verify -r /mnt/large/tidemark

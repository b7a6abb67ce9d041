#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A disk is pulled while it is mounted, written, attached and being read for a
# backup: the backup ends with one line, the status says that the device is gone, and
# everything can be put away. 5.10 warns, attached or not, of a file that is written
# where the disk is gone ("bdi not registered").
#
# vm: warns=__mark_inode_dirty
# vm: disks=512M,64M,64M:nvme,64M:scsi,64M:scsi mem=1024 timeout=240

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires tidemark module:dm-tidemark module:nvme dmsetup rawagent

# pull NODE: as the bus does when somebody takes the disk out
pull() {
	local device
	device=$(readlink -f "/sys/block/${1#/dev/}/device")
	case $1 in
	/dev/sd*) echo 1 >"$device/delete" ;;
	/dev/vd*) echo 1 >"$device/../remove" ;;
	/dev/nvme*) echo 1 >"$device/device/remove" ;;
	esac
	[ ! -e "/sys/block/${1#/dev/}" ] || fail "$1 is still there"
}

# Its file system is lost, and whoever wrote to it is told so.
end_writer() {
	wait "$writer" && fail "the writer did not notice"
	check umount /mnt/data
}

# Pulled while the module's own agent reads slowly and writes are held.
prove_raw() {
	local node=$1
	echo "== $node, pulled in a cut"
	put_in_use "$node"
	track volume "$node"
	[ "$(status_word volume device)" = ok ] || fail "$(dmsetup status volume)"
	rawagent image /dev/mapper/volume "$node" /tmp/image.volume full slow=20000 >/tmp/said.volume 2>&1 &
	agent=$!
	wait_until 20 has_preserved
	pull "$node"
	! wait "$agent" || fail "the image of a disk that is gone"
	cat /tmp/said.volume
	end_writer
	[ "$(status_word volume device)" = gone ] || fail "$(dmsetup status volume)"
	cut_is volume none || fail "$(dmsetup status volume)"
	untrack volume
}

has_preserved() {
	[ "$(status_word volume preserved)" -gt 0 ]
}

# Pulled while the product makes a backup, whose repository is slow to take it.
prove_backup() {
	local node=$1 status=0
	echo "== $node, pulled in a backup"
	put_in_use "$node"
	check tidemark attach "$node" --name volume
	cleanup detach_if_attached
	tidemark backup volume --quiet
	points=$(tidemark points | wc -l)
	tidemark backup volume --full --quiet >/tmp/said 2>&1 &
	agent=$!
	wait_until 20 cut_is volume active
	pull "$node"
	wait "$agent" || status=$?
	cat /tmp/said
	end_writer
	[ "$status" -eq 4 ] || fail "status $status"
	[ "$(grep -c . /tmp/said)" -eq 1 ] || fail "not one line"
	grep -q 'gone' /tmp/said || fail "does not say why"
	tidemark status
	[ "$(tidemark status --json | json .attachments[0].device_state)" = gone ] || fail "the status"
	refused 4 'gone' tidemark backup volume
	[ "$(tidemark points | wc -l)" -eq "$points" ] || fail "a point was made"
	check tidemark detach volume
}

detach_if_attached() {
	! dmsetup info volume >/dev/null 2>&1 || tidemark detach volume
}

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"

for node in /dev/vdb /dev/nvme0n1 /dev/sda; do
	prove_raw "$node"
done
prove_backup /dev/sdb

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What the module tracked is used only by the repository that it is relative to:
# another repository, another volume on the same disk, a point that was given up, or
# --full read everything.
# Every point is exact, and what was known is stored once.
#
# vm: disks=96M,96M,512M mem=640 timeout=300

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

one=/mnt/repository/one
two=/mnt/repository/two

# backed_up full|incremental REPOSITORY [OPTION]...: and the point is exact.
backed_up() {
	local kind=$1 repository=$2
	shift 2
	tidemark backup /dev/vda -r "$repository" --json "$@" >/tmp/backup
	jq -c '{kind, read_bytes, changed_bytes, stored_bytes}' </tmp/backup
	[ "$(json kind </tmp/backup)" = "$kind" ] || fail "not $kind"
	check tidemark restore "$(json point </tmp/backup)" /dev/vdb -r "$repository" --force
	same_device /dev/vda /dev/vdb
}

change() {
	check dd if=/dev/urandom of=/dev/vda bs=64K seek="$1" count=4 oflag=direct conv=notrunc status=none
}

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
check tidemark init "$one"
check tidemark init "$two"
check dd if=/dev/urandom of=/dev/vda bs=1M count=64 status=none
check tidemark attach /dev/vda

backed_up full "$one"
change 10
backed_up incremental "$one"
change 20
backed_up full "$two"
change 30
backed_up incremental "$two"
change 40
# The module's base is the other repository's now; only 8 chunks are new here.
backed_up full "$one"
[ "$(json changed_bytes </tmp/backup)" -eq $((12 * 65536)) ] || fail "changed more than was written"
[ "$(json stored_bytes </tmp/backup)" -lt $((1024 * 1024)) ] || fail "stored known chunks again"
change 50
backed_up incremental "$one"
backed_up full "$one" --full

# A prune leaves the newest point, so what was tracked since counts; a point that was given
# up is no base.
check tidemark prune -r "$one" --keep-last 1 --grace 0h
[ "$(tidemark points -r "$one" --json | jq '.points | length')" -eq 1 ] || fail "more than one is left"
change 52
backed_up incremental "$one"
check tidemark forget latest -r "$one"
change 54
backed_up full "$one"
change 56
backed_up incremental "$one"

# Attached again: nothing is known, everything is read, little is stored.
check tidemark detach /dev/vda
change 60
check tidemark attach /dev/vda
backed_up full "$one"
[ "$(json stored_bytes </tmp/backup)" -lt $((1024 * 1024)) ] || fail "stored known chunks again"

# Another file system on it makes it another volume.
make_ext4 /dev/vda
backed_up full "$one"
mount_ext4 /dev/vda /mnt/data
echo something >/mnt/data/file
check umount /mnt/data
backed_up incremental "$one"

# An attachment that was removed under a repository's nose.
check tidemark detach /dev/vda
[ "$(tidemark points -r "$one" --json | jq '.points | map(.volume_id) | unique | length')" -eq 2 ] ||
	fail "not two volumes"
check tidemark verify -r "$one"
check tidemark verify -r "$two"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A repository that lies on the volume it would protect is refused, however
# many layers are between them; one on another part of the disk is not.
#
# vm: disks=256M,64M mem=640 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:loop

load_module
check modprobe loop
check sfdisk -q /dev/vda <<<$'2048,204800\n206848,\n'
wait_until 5 test -b /dev/vda2
sectors=$(blockdev --getsz /dev/vda1)
check dmsetup create layer --table "0 $sectors linear /dev/vda1 0"
cleanup dmsetup remove layer
make_ext4 /dev/mapper/layer
mount_ext4 /dev/mapper/layer /mnt/below
check truncate -s 64M /mnt/below/file
loop=$(losetup -f --show /mnt/below/file)
cleanup losetup -d "$loop"
make_ext4 "$loop"
mount_ext4 "$loop" /mnt/repository
check tidemark init /mnt/repository/tidemark
check tidemark init /mnt/below/tidemark

check tidemark attach /dev/vda
refused 3 'on /dev/vda itself' tidemark backup /dev/vda -r /mnt/repository/tidemark
refused 3 'on /dev/vda itself' tidemark backup /dev/vda -r /mnt/below/tidemark
check tidemark detach /dev/vda

check tidemark attach /dev/vda1
refused 3 'on /dev/vda1 itself' tidemark backup /dev/vda1 -r /mnt/repository/tidemark
check tidemark detach /dev/vda1

check tidemark attach /dev/mapper/layer --name mapped
refused 3 'itself' tidemark backup mapped -r /mnt/repository/tidemark
check tidemark detach mapped

# Part of the disk: the part with the repository, and the part without.
check tidemark attach /dev/vda --name front --start 2048 --sectors 8192
refused 3 'itself' tidemark backup front -r /mnt/below/tidemark
check tidemark detach front
make_ext4 /dev/vda2
check tidemark attach /dev/vda2
check tidemark backup /dev/vda2 -r /mnt/repository/tidemark
[[ $(tidemark points -r /mnt/repository/tidemark --json | json 'points[0].volume_id') == part:* ]] ||
	fail "the partition was not recognised"
check tidemark detach /dev/vda2
check tidemark verify -r /mnt/repository/tidemark

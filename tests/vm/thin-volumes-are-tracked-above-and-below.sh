#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A thin volume, the disk that its pool is on, and both at once, also with a snapshot
# of it: then each first write to a block is a copy, made by the pool.
#
# vm: disks=64M mem=1024 timeout=200

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:dm-thin-pool lvm thin_check dmsetup rawagent same

load_module
check modprobe dm-thin-pool
check lvm pvcreate -q /dev/vda
check lvm vgcreate -q -s 1M group /dev/vda
cleanup lvm vgchange -q -an group
check lvm lvcreate -q -y --type thin-pool -l 52 -n pool group
check lvm lvcreate -q -y -V 48M --thinpool group/pool -n thin
put_in_use /dev/group/thin
track above /dev/group/thin
track below /dev/vda
prove_in_use above below
check lvm lvcreate -q -y -s -n shot group/thin
prove_in_use above below
untrack below
prove_in_use above
untrack above
put_out_of_use

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A logical volume, the physical volumes below it, and both at once: linear and
# striped, also while LVM moves the extents to another disk.
#
# vm: disks=64M,64M,64M mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:dm-mirror lvm dmsetup rawagent same

load_module
check modprobe dm-mirror
check lvm pvcreate -q /dev/vda /dev/vdb /dev/vdc
check lvm vgcreate -q -s 1M group /dev/vda /dev/vdb /dev/vdc
cleanup lvm vgchange -q -an group

echo "== linear"
check lvm lvcreate -q -y -Wn -l 48 -n plain group /dev/vda
put_in_use /dev/group/plain
track below /dev/vda
prove_in_use below
track above /dev/group/plain
prove_in_use above
prove_in_use above below
# Free extents, through the node below: no matter of the volume's.
check bios write /dev/vda $((50 << 20)) 65536
exact_when_frozen above below

echo "== moved to another disk"
track target /dev/vdb
images target -- full
check lvm pvmove -q -i 1 -n plain /dev/vda /dev/vdb
exact_when_frozen above below target
untrack below
prove_in_use above target
untrack above
untrack target
put_out_of_use
check lvm lvremove -q -y group/plain

echo "== striped"
check lvm lvcreate -q -y -Wn -i 2 -I 16k -l 48 -n striped group /dev/vda /dev/vdb
put_in_use /dev/group/striped
track above /dev/group/striped
track one /dev/vda
track two /dev/vdb
prove_in_use above one two
untrack above
prove_in_use one two
untrack one
untrack two
put_out_of_use
check lvm lvremove -q -y group/striped

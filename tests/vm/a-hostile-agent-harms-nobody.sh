#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Agents that call anything with anything, store nonsense in the shared pages while
# writes are preserved, fork, are killed, remove the mapped device under themselves
# and load junk tables: each write is where it belongs, an agent of another
# attachment to the same disk is not disturbed, and the next image is exact.
#
# LONG=1: ten million mutations; SEED=N: those of an earlier run.
#
# vm: disks=64M,32M mem=896 timeout=240 long=36000

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent hostile overwriter

sectors=$(blockdev --getsz /dev/vda)

start_overwriter() {
	overwriter /dev/vda "$@" >"/tmp/overwriter.$1" &
	overwriters+=($!)
}

image_of_neighbour() {
	local status=0
	rawagent image /dev/mapper/neighbour /dev/vda /tmp/neighbour full >>/tmp/images || status=$?
	# A writer can outrun this agent in emulation; nothing else may stop it.
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || fail "the neighbour's agent: status $status"
}

remove_hostile_volumes() {
	local name
	for name in $(dmsetup ls | sed -n 's/^\(\(hostile\|junk\)-[0-9]*\)\t.*/\1/p'); do
		dmsetup remove "$name"
	done
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/data
cleanup remove_hostile_volumes
check dmsetup create neighbour --table "0 $((sectors - 128)) tidemark track /dev/vda 128"
cleanup dmsetup remove neighbour

overwriters=()
start_overwriter 0 40 1
start_overwriter 40 24 2
wait_until 60 grep -q ready /tmp/overwriter.0
wait_until 60 grep -q ready /tmp/overwriter.40

echo "SEED=$SEED"
mutations=30000
[ -z "$LONG" ] || mutations=10000000
hostile /dev/vda "$mutations" "$SEED" /dev/vdb >/tmp/hostile &
hostile=$!
while kill -0 "$hostile" 2>/dev/null; do
	image_of_neighbour
done
wait "$hostile" || fail "the hostile agent has seen what it must not see"
cat /tmp/hostile
grep -qE ' cuts [1-9][0-9]+ records [1-9]' /tmp/hostile || fail "it did not get far: nothing was proved"
grep -q frozen /tmp/images || fail "the neighbour has not one image"

check touch /mnt/data/is-not-frozen
for pid in "${overwriters[@]}"; do
	kill -TERM "$pid"
	wait "$pid" || fail "a writer has lost something"
done
cat /tmp/overwriter.*

# The nodes below /dev/mapper are libdevmapper's, which was not asked.
check dmsetup mknodes
check rawagent image /dev/mapper/hostile-0 /dev/vda /tmp/image full
same_device /tmp/image /dev/vda
check dd if=/dev/urandom of=/dev/vda bs=64k count=3 seek=11 oflag=direct conv=notrunc status=none
check rawagent image /dev/mapper/hostile-0 /dev/vda /tmp/image
same_device /tmp/image /dev/vda
check rawagent image /dev/mapper/neighbour /dev/vda /tmp/neighbour full
check cmp /tmp/neighbour <(read_media /dev/vda | tail -c +65537)

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A device that cannot read what a write is about to overwrite: the write goes on,
# and the chunk is in the image as unreadable. A device that fails writes: those
# writes fail as they would without us, during a cut too, no others do, and the
# next image is what the device holds.
#
# vm: disks=32M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark module:scsi_debug module:dm-flakey dmsetup rawagent

volume_says() {
	[[ $(dmsetup status volume) == *" $1 "* ]]
}

remove_if_there() {
	! dmsetup info "$1" >/dev/null 2>&1 || dmsetup remove "$1"
}

# protect DEVICE
protect() {
	device=$1
	check dmsetup create volume --table "0 $(blockdev --getsz "$1") tidemark track $1 0"
}

image() {
	rawagent image /dev/mapper/volume "$device" /tmp/image "$@"
}

write_chunk() {
	dd if=/dev/urandom of="$device" bs=64k seek="$1" count=1 oflag=direct conv=notrunc status=none
}

load_module
cleanup remove_if_there below
cleanup remove_if_there volume

echo "--- reads fail"
# Twenty sectors, the last of chunk 400 and the first of chunk 401, once we say so.
check modprobe scsi_debug dev_size_mb=32 sector_size=512 \
	medium_error_start=$((401 * 128 - 10)) medium_error_count=20
wait_until 20 test -b /dev/sda
check dd if=/dev/urandom of=/dev/sda bs=1M count=32 oflag=direct status=none
protect /dev/sda
image full slow=30000 >/tmp/said &
agent=$!
wait_until 20 volume_says active
echo 2 >/sys/bus/pseudo/drivers/scsi_debug/opts
refused 1 'No data available' dd if=/dev/sda of=/dev/null bs=64k skip=400 count=1 iflag=direct status=none
for chunk in 400 401 300; do
	write_chunk "$chunk" || fail "a write failed over sectors that could not be read"
done
wait "$agent"
cat /tmp/said
grep -q ' preserved 1 unreadable 2 ' /tmp/said || fail "not the chunks that could not be read"
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/opts
image | grep '^frozen 3 '
same_device /tmp/image /dev/sda
check dmsetup remove volume

echo "--- writes fail"
sectors=$(blockdev --getsz /dev/vda)
check dmsetup create below --table "0 $sectors linear /dev/vda 0"
protect /dev/mapper/below

# below_is TABLE: from now on.
below_is() {
	check dmsetup suspend below
	check dmsetup load below --table "0 $sectors $1"
	check dmsetup resume below
}

for how in "1 error_writes" ""; do
	image full | grep '^frozen 512 '
	below_is "flakey /dev/vda 0 0 60 $how"
	rawagent hold /dev/mapper/volume full >/tmp/agent &
	agent=$!
	wait_until 20 grep -q cut /tmp/agent
	for chunk in 3 4 5; do
		refused 1 'Input/output error' write_chunk "$chunk"
	done
	kill -KILL "$agent"
	wait_until 20 volume_says none
	below_is "linear /dev/vda 0"
	for chunk in 4 5 6; do
		write_chunk "$chunk" || fail "a write to a sound device failed"
	done
	# Three that failed, two of them and another that did not; the cut changed nothing.
	image | grep '^frozen 4 '
	same_device /tmp/image /dev/vda
	write_chunk 9
	image | grep '^frozen 1 '
	same_device /tmp/image /dev/vda
done
check dmsetup remove volume
check dmsetup remove below

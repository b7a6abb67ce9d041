#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A writer on a disk, a partition and a mapped device, each write after the one
# before is complete: no cut over the three shows an effect without its cause. Cuts
# made one after the other do, which this test must be able to see.
#
# vm: disks=8M,16M,8M mem=640 timeout=240 long=1800

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent dependent sfdisk

live=(/dev/vda /dev/vdb1 /dev/mapper/layer)
images=(/tmp/0 /tmp/1 /tmp/2)

# images_of together|apart [full]
images_of() {
	rawagent "$1" /dev/mapper/volume0 "${live[0]}" "${images[0]}" \
		/dev/mapper/volume1 "${live[1]}" "${images[1]}" \
		/dev/mapper/volume2 "${live[2]}" "${images[2]}" "${@:2}" >/tmp/said
}

load_module
echo "2048,16384,L" | check sfdisk -q /dev/vdb
wait_until 5 test -b /dev/vdb1
check dmsetup create layer --table "0 $(blockdev --getsz /dev/vdc) linear /dev/vdc 0"
cleanup dmsetup remove layer
for n in 0 1 2; do
	check dmsetup create "volume$n" \
		--table "0 $(blockdev --getsz "${live[n]}") tidemark track ${live[n]} 0"
	cleanup dmsetup remove "volume$n"
done
dependent write "${live[@]}" &
writer=$!
cleanup stop_writer_if_running "$writer"
sleep 1
check images_of together full

between=0
for round in $(seq "$(rounds 50 1000)"); do
	images_of together
	dependent check "${images[@]}" >/tmp/numbers || {
		cat /tmp/numbers
		fail "round $round: an effect without its cause"
	}
	read -r first _ last </tmp/numbers
	[ "$first" -eq "$last" ] || between=$((between + 1))
done
echo "$round cuts, $between of them within a round; the last at $(</tmp/numbers)"
[ "$between" -gt 0 ] || fail "no cut fell between two writes: nothing was proved"

caught=0
for round in $(seq 10); do
	images_of apart
	status=0
	dependent check "${images[@]}" >/tmp/numbers || status=$?
	[ "$status" -le 1 ] || fail "status $status"
	caught=$((caught + status))
done
echo "$caught of $round times cuts made one after the other were caught, the last at $(</tmp/numbers)"
[ "$caught" -gt 0 ] || fail "cuts at different instants were not noticed"

stop_writer "$writer"
check images_of together
for n in 0 1 2; do
	same_device "${live[n]}" "${images[n]}"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Attachments of a disk, of its partitions and of ranges, nested and overlapping,
# with chunks of different sizes: each one's increment has just the chunks of its
# own that were written, through whatever node.
#
# vm: disks=32M mem=768 timeout=200

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark dmsetup rawagent bios same sfdisk

names=(disk first second across inner sector)
nodes=(/dev/vda /dev/vda1 /dev/vda2 /dev/mapper/above)
declare -A at=([/dev/vda]=0 [/dev/vda1]=2048 [/dev/vda2]=24577 [/dev/mapper/above]=6147)
declare -A size=([/dev/vda]=65536 [/dev/vda1]=22528 [/dev/vda2]=40000 [/dev/mapper/above]=9000)
declare -A chunk=([disk]=128 [first]=8 [second]=128 [across]=32 [inner]=2048 [sector]=8)
declare -A written

# What a write of COUNT sectors at SECTOR of the disk means for each attachment.
note() {
	local sector=$1 count=$2 name from to i
	for name in "${names[@]}"; do
		from=$((sector - first_of[$name])) to=$((sector + count - 1 - first_of[$name]))
		from=$((from < 0 ? 0 : from))
		to=$((to >= sectors_of[$name] ? sectors_of[$name] - 1 : to))
		for ((i = from / chunk[$name]; from <= to && i <= to / chunk[$name]; i++)); do
			written[$name.$i]=1
		done
	done
}

# nr_written NAME
nr_written() {
	printf '%s\n' "${!written[@]}" | grep -c "^$1\." || true
}

write_somewhere() {
	local node=${nodes[RANDOM % 4]} sector count
	sector=$((RANDOM * 2 % size[$node]))
	count=$((1 << RANDOM % 9))
	count=$((sector + count > size[$node] ? size[$node] - sector : count))
	bios write "$node" $((sector * 512)) $((count * 512)) || fail "$node: $sector $count"
	note $((at[$node] + sector)) "$count"
}

track_at() {
	track "$1" "$2" "$3" "$4" chunk_sectors "${chunk[$1]}"
	first_of[$1]=$((at[$2] + $3))
}

RANDOM=1
load_module
sfdisk -q /dev/vda <<<'2048,22528,L
24577,40000,L'
wait_until 5 test -b /dev/vda2
check dmsetup create above --table '0 9000 linear /dev/vda1 4099'
cleanup dmsetup remove above

declare -A first_of
track_at disk /dev/vda 0 65536
track_at first /dev/vda1 0 22528
track_at second /dev/vda2 0 40000
track_at across /dev/vda 10001 30003
track_at inner /dev/vda2 777 9999
track_at sector /dev/vda1 4100 1

images "${names[@]}"
for round in 1 2 3 4; do
	written=()
	for ((i = 0; i < 40; i++)); do
		write_somewhere
	done
	# The last two rounds' images are all read at the same time.
	for name in "${names[@]}"; do
		[ "$(dirty "$name")" -eq "$(nr_written "$name")" ] ||
			fail "$name: $(dirty "$name") dirty chunks, not $(nr_written "$name")"
		[ "$round" -gt 2 ] || expect_frozen "$name" "$(nr_written "$name")"
	done
	[ "$round" -le 2 ] || images "${names[@]}"
	exact "${names[@]}"
done

# Writes while all are frozen, each preserved for whoever has it.
for name in "${names[@]}"; do
	cp "/tmp/image.$name" "/tmp/before.$name"
done
# Each reader takes some seconds.
readers=()
for name in "${names[@]}"; do
	image "$name" full slow=$((5000000 * chunk[$name] / (sectors_of[$name] + chunk[$name]))) &
	readers+=($!)
done
for name in "${names[@]}"; do
	wait_until 20 cut_is "$name" active
done
written=()
for ((i = 0; i < 20; i++)); do
	write_somewhere
done
for reader in "${readers[@]}"; do
	wait "$reader" || fail "an image failed"
done
preserved=0
for name in "${names[@]}"; do
	check cmp "/tmp/image.$name" "/tmp/before.$name"
	preserved=$((preserved + $(said "$name" preserved)))
done
[ "$preserved" -gt 0 ] || fail "no write came in a reader's way"
for name in "${names[@]}"; do
	expect_frozen "$name" "$(nr_written "$name")"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What the module costs, in instructions per request of 4 KiB, as ratios to a disk
# that nobody is attached to. One machine, one processor, one boot: see run.
#
# The disks are the test disk's (tests/kernel/tm-disk-main.c): other, track and stream
# on a null disk, frozen on a memory disk:
#
#   other           another disk is attached
#   track, stream   this one is; the stream's reader throws away what it gets, 50 times
#                   a second, so that its own work does not count
#   frozen_first    a write to a frozen chunk (64 KiB) that was not read yet
#   frozen_second   the next ones to the same chunk
#   frozen_fill     the mean of all writes of a random fill, each block once
#
# The old content goes to a ring large enough for all of it.
#
# Each configuration is measured with iocost, which does little but the system call and
# repeats within 0.1 %. The ratios of other, track and stream are those that fio (psync,
# depth 1, direct) would see, because figures of other projects were measured with it:
# what iocost found the configuration to cost more, over the bare request's cost with
# fio. fio itself is shown beside (its start taken out by the difference of two runs):
# one write costs it 15600 instructions or 15850, for reasons of the scheduler's,
# whatever is attached; that is more than what is to be measured. The frozen ratios are
# iocost's own, over its bare write to the memory disk, which makes them larger.

# shellcheck source=../vm/lib.sh
. lib.sh

requires module:dm-tidemark module:tm-disk module:null_blk fio iocost rawagent

FILL=$((32 << 20))

fio_time() {
	local start
	start=$(date +%s%N)
	fio --name=cost --filename="$1" --rw="$2" --bs=4k --size=32M --io_size="$(($3 * 4096))" \
		--ioengine=psync --direct=1 --invalidate=0 --output=/dev/null
	echo $(($(date +%s%N) - start))
}

# Instructions per request: fio_cost DEVICE read|write
fio_cost() {
	local nr=${REQUESTS:-40000} short long
	short=$(fio_time "$1" "$2" 1000)
	long=$(fio_time "$1" "$2" $((1000 + nr)))
	echo $(((long - short) / nr))
}

ratio() {
	echo "scale=4; $1 / $2" | bc | sed 's/^\./0./'
}

# measure NAME DEVICE: sets read[NAME] and write[NAME].
declare -A read write fio_read fio_write
measure() {
	read[$1]=$(iocost "$2" read $FILL fill 4)
	write[$1]=$(iocost "$2" write $FILL fill 4)
	fio_read[$1]=$(fio_cost "$2" read)
	fio_write[$1]=$(fio_cost "$2" write)
	echo "bench instructions: $1 read ${read[$1]} write ${write[$1]}," \
		"fio read ${fio_read[$1]} write ${fio_write[$1]}"
}

# The machine's own housekeeping takes its time after an agent has come or gone.
least_of_five() {
	local _
	for _ in 1 2 3 4 5; do
		"$@"
	done | sort -n | head -n 1
}

# attach MODE DEVICE
attach() {
	dmsetup create volume --table "0 $(blockdev --getsz "$2") tidemark $1 $2 0"
}

detach() {
	dmsetup remove volume
}

start_agent() {
	rawagent "$1" /dev/mapper/volume ring=$((64 << 20)) "${@:2}" >/tmp/agent &
	agent=$!
	wait_until 10 grep -q cut /tmp/agent
	sleep 2
}

stop_agent() {
	local status=0
	kill "$agent"
	wait "$agent" || status=$?
	[ "$status" -eq 143 ] || fail "the agent ended by itself"
}

# The disks have a second queue, as null_blk has: with a single one the block layer
# takes a detour for each completion, and a scheduler.
modprobe null_blk nr_devices=1
test_disk add bare mode=null size=64M poll=1
test_disk add other mode=null size=64M poll=1
test_disk add memory size=$FILL poll=1
grep -H . /sys/block/{nullb0,bare,memory}/queue/scheduler
load_module

measure null_blk /dev/nullb0
measure bare /dev/bare
attach track /dev/other
measure other /dev/bare
detach
attach track /dev/bare
measure track /dev/bare
detach
attach stream /dev/bare
start_agent drain slow=20000
measure stream /dev/bare
stop_agent
detach

# Filled beforehand: the disk's own first touch of a page is not ours.
iocost /dev/memory write $FILL fill >/dev/null
fill=$(iocost /dev/memory write $FILL fill 2)
each=$(iocost /dev/memory write $FILL 0 20)
attach track /dev/memory
start_agent hold full
frozen_first=$(iocost /dev/memory write $FILL 0)
frozen_second=$(least_of_five iocost /dev/memory write $FILL 4096 4)
stop_agent
start_agent hold full
frozen_fill=$(iocost /dev/memory write $FILL fill)
stop_agent
detach
echo "bench instructions: memory write $each fill $fill frozen_first $frozen_first" \
	"frozen_second $frozen_second frozen_fill $frozen_fill"
echo "bench null disk to null_blk: read=$(ratio "${read[bare]}" "${read[null_blk]}")" \
	"write=$(ratio "${write[bare]}" "${write[null_blk]}")"

# What fio would see: as_fio_sees BARE_FIO BARE CONFIGURATION
as_fio_sees() {
	ratio $(($1 + $3 - $2)) "$1"
}

ratios=''
lean_ratios=''
fio_ratios=''
for name in other track stream; do
	ratios+=" ${name}_read=$(as_fio_sees "${fio_read[bare]}" "${read[bare]}" "${read[$name]}")"
	ratios+=" ${name}_write=$(as_fio_sees "${fio_write[bare]}" "${write[bare]}" "${write[$name]}")"
	lean_ratios+=" ${name}_read=$(ratio "${read[$name]}" "${read[bare]}")"
	lean_ratios+=" ${name}_write=$(ratio "${write[$name]}" "${write[bare]}")"
	fio_ratios+=" ${name}_read=$(ratio "${fio_read[$name]}" "${fio_read[bare]}")"
	fio_ratios+=" ${name}_write=$(ratio "${fio_write[$name]}" "${fio_write[bare]}")"
done
echo "bench overhead, iocost alone:$lean_ratios"
echo "bench overhead, fio alone:$fio_ratios"
echo "bench overhead:$ratios frozen_first=$(ratio "$frozen_first" "$each")" \
	"frozen_fill=$(ratio "$frozen_fill" "$fill") frozen_second=$(ratio "$frozen_second" "$each")"

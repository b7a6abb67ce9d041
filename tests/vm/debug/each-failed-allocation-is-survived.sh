#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Loading the module, each call to /dev/tidemark and to device-mapper, and each
# write to the device, with the Nth allocation (or copy from or to user space) in
# it failing, N = 1, 2, ... until none is left to fail: errors are returned, what
# failed can be done again at once, no write fails that would not fail without us,
# and the next image is exact. Then without any memory for writes and for workers
# while a cut is overtaken, and with a disk that fails requests.
#
# vm: disks=32M,32M,32M mem=896 timeout=600 args=slub_debug=A,tm_flight traces=expected

# shellcheck source=../lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent faults overwriter slowest fio
[ -e /proc/self/fail-nth ] || skip "this kernel has no fault injection"

inject=/sys/kernel/debug
sectors=$(blockdev --getsz /dev/vda)

set_up_injection() {
	local what
	for what in failslab fail_page_alloc fail_usercopy fail_make_request; do
		echo 0 >"$inject/$what/verbose"
	done
	echo N >"$inject/failslab/ignore-gfp-wait"
	echo N >"$inject/fail_page_alloc/ignore-gfp-wait"
	echo N >"$inject/fail_page_alloc/ignore-gfp-highmem"
	echo 0 >"$inject/fail_page_alloc/min-order"
}

# inject_all WHAT PERCENT: from now on, in tasks or caches or disks that are marked.
inject_all() {
	echo -1 >"$inject/$1/times"
	echo "$2" >"$inject/$1/probability"
}

remove_if_there() {
	! dmsetup info "$1" >/dev/null 2>&1 || dmsetup remove "$1"
}

volume_says() {
	[[ $(dmsetup status volume) == *" $1 "* ]]
}

make_volume() {
	check dmsetup create volume --table "0 $sectors tidemark stream /dev/vda 0 2 stall_ms 5000"
}

image_is_exact() {
	check rawagent image /dev/mapper/volume /dev/vda /tmp/image full
	same_device /tmp/image /dev/vda
}

# Every chunk is overwritten during a cut whose image must be what was there before.
overtake_a_cut() {
	check cp /dev/vda /tmp/truth
	rawagent image /dev/mapper/volume /dev/vda /tmp/image full slow=5000 >/tmp/said &
	agent=$!
	wait_until 20 volume_says active
	check slowest /dev/vda 65536
	wait "$agent" || fail "the agent has lost its cut"
	cat /tmp/said
	grep -q ' preserved [1-9]' /tmp/said || fail "nothing was preserved: nothing was proved"
	same_device /tmp/image /tmp/truth
}

set_up_injection
load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/data
check faults attach /dev/vda "track /dev/vda 8"
make_volume
cleanup remove_if_there volume

check faults calls volume /dev/vda "track /dev/vda 8" /dev/vdb
check touch /mnt/data/is-not-frozen
image_is_exact
check faults writes volume /dev/vda /dev/vdc
image_is_exact

echo "--- no memory for workers: what preserves has all it needs since the cut"
for task in /proc/[0-9]*; do
	[[ $(<"$task/comm") != kworker* ]] || echo 1 >"$task/make-it-fail"
done
for what in failslab fail_page_alloc; do
	echo Y >"$inject/$what/task-filter"
	inject_all "$what" 50
done
overtake_a_cut
for what in failslab fail_page_alloc; do
	inject_all "$what" 0
	echo N >"$inject/$what/task-filter"
done

echo "--- no memory for flights: the reserve, and then the queue"
check dmsetup remove volume
make_volume # its CPUs have no flights yet
echo Y >"$inject/failslab/cache-filter"
[ "$(cat /sys/kernel/slab/tm_flight/failslab)" = 1 ] || fail "tm_flight is not marked: see args= above"
echo 1 >/sys/kernel/tracing/events/workqueue/workqueue_queue_work/enable
inject_all failslab 100
check fio --name=flights --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=512 \
	--rw=randwrite --bs=4k --size=32m --verify=crc32c --group_reporting --minimal
grep -m 1 'function=take_in' /sys/kernel/tracing/trace || fail "nothing was queued for a flight"
overtake_a_cut
inject_all failslab 0
echo N >"$inject/failslab/cache-filter"
echo 0 >/sys/kernel/tracing/events/workqueue/workqueue_queue_work/enable
image_is_exact

echo "--- a disk that fails requests"
echo 1 >/sys/block/vda/make-it-fail
inject_all fail_make_request 20
overwriter /dev/vda 0 32 1 2>/tmp/said && fail "no write failed"
cat /tmp/said
grep -q 'Input/output error' /tmp/said || fail "not the disk's error"
rawagent image /dev/mapper/volume /dev/vda /tmp/image full slow=100 2>/tmp/said &
agent=$!
slowest /dev/vda 65536 || true # at its first error it ends
wait "$agent" || cat /tmp/said
inject_all fail_make_request 0
wait_until 10 volume_says none
image_is_exact

echo "--- loading the module"
check dmsetup remove volume
unload_module
check faults load "$(modinfo -n dm-tidemark)"

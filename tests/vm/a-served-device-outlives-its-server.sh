#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A device that a program answers for: what is written is what is read, whoever dies in
# between. Killed, stopped and lying servers; fio checks every byte. No request waits for
# longer than was promised, and the device can always be removed.
#
# vm: disks=64M mem=768 timeout=600 long=7200

# shellcheck source=lib.sh
. lib.sh

requires fio module:dm-tidemark
kills=$(rounds 12 100)
sectors=$((48 * 2048))

make_served() {
	check dmsetup create served --table "0 $sectors tidemark-serve $*"
}

start_server() {
	answerer /dev/mapper/served /dev/vda "$@" >/tmp/server &
	server=$!
	wait_until 20 grep -q serving /tmp/server
}

kill_server() {
	kill -KILL "$server"
	wait "$server" 2>/dev/null || true
}

served() {
	dmsetup status served | grep -q "$1"
}

# In milliseconds since the machine started, which no clock change touches.
now_ms() {
	awk '{ print int($1 * 1000) }' /proc/uptime
}

modprobe dm-tidemark

# What is written through it is what the store has, and the other way round.
make_served 6 queues 2 tags 8 discard zeroes
start_server 2
check dd if=/dev/urandom of=/dev/mapper/served bs=1M count=48 oflag=direct status=none
check cmp -n $((sectors * 512)) /dev/mapper/served /dev/vda
check blkdiscard -o 4M -l 3M /dev/mapper/served
check blkdiscard -z -o 20M -l 5M /dev/mapper/served
check blockdev --flushbufs /dev/mapper/served
[ "$(dd if=/dev/mapper/served bs=1M skip=4 count=3 iflag=direct status=none | tr -d '\0' | wc -c)" -eq 0 ]
[ "$(dd if=/dev/mapper/served bs=1M skip=20 count=5 iflag=direct status=none | tr -d '\0' | wc -c)" -eq 0 ]
check cmp -n $((sectors * 512)) /dev/mapper/served /dev/vda
check mkfs.ext4 -q -F /dev/mapper/served
mkdir -p /mnt/served
check mount /dev/mapper/served /mnt/served
start_writer /mnt/served/tree
wait_for_synced 30
stop_writer "$writer"
check umount /mnt/served
check e2fsck -fn /dev/mapper/served
kill_server
check dmsetup remove served

# Killed at any moment under load: the next one has what was not answered.
make_served 4 queues 2 timeout_ms 60000
start_server 2
fio --name=verified --filename=/dev/mapper/served --size=40M --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randrw --bsrange=4k-128k --verify=crc32c --verify_backlog=64 --time_based --runtime=3600 \
	--verify_fatal=1 --eta=never --output=/tmp/fio &
fio=$!
for ((round = 0; round < kills; round++)); do
	sleep "0.$((RANDOM % 8 + 1))"
	kill_server
	sleep "0.$((RANDOM % 3))"
	start_server 2
done
kill -INT "$fio"
wait "$fio" || [ $? -eq 128 ] || fail "$(</tmp/fio)" # what it says when it is told to stop
grep -q 'err= 0' /tmp/fio || fail "$(</tmp/fio)"
[ "$(dmsetup status served | sed 's/.*failed \([0-9]*\).*/\1/')" -eq 0 ] || fail "a request failed"
kill_server
check dmsetup remove served

# One that takes requests and answers none is given up in time; another one goes on.
make_served 2 timeout_ms 3000
start_server 1 hang 4
begin=$(now_ms)
! dd if=/dev/urandom of=/dev/mapper/served bs=64K count=32 oflag=direct status=none 2>/tmp/dd || fail "nothing failed"
took=$(($(now_ms) - begin))
echo "failed after $took ms"
[ "$took" -ge 2500 ] || fail "it failed before its time"
served waiting || fail "the server that hangs has it still"
hanging=$server
start_server 2
check dd if=/dev/urandom of=/dev/mapper/served bs=1M count=8 oflag=direct status=none
check cmp -n $((8 << 20)) /dev/mapper/served /dev/vda
kill_server
kill -KILL "$hanging"
wait "$hanging" 2>/dev/null || true

# Nobody serves: a request fails when its time is over, or when somebody says so.
begin=$(now_ms)
! dd if=/dev/mapper/served of=/dev/null bs=4K count=1 iflag=direct status=none 2>/tmp/dd || fail "nothing failed"
[ $(($(now_ms) - begin)) -ge 2500 ] || fail "it failed before its time"
check dmsetup message served 0 fail
served failing || fail "$(dmsetup status served)"
! dd if=/dev/mapper/served of=/dev/null bs=4K count=1 iflag=direct status=none 2>/tmp/dd || fail "nothing failed"
start_server 1
check dd if=/dev/mapper/served of=/dev/null bs=4K count=1 iflag=direct status=none
kill_server
check dmsetup remove served

# Who answers what nobody asked is refused, and changes nothing.
make_served 3 read_only tags 4
start_server 3 lie "$SEED"
check cmp -n $((8 << 20)) /dev/mapper/served /dev/vda
! dd if=/dev/zero of=/dev/mapper/served bs=4K count=1 oflag=direct status=none 2>/tmp/dd || fail "it is read-only"
! blkdiscard /dev/mapper/served 2>/tmp/dd || fail "no discard was declared"
! answerer /dev/mapper/served /dev/vda 1 2>/tmp/second || fail "a second server got the queue"
grep -q busy /tmp/second || fail "$(</tmp/second)"
kill_server
check dmsetup remove served

# Removed while it is served: the server ends.
make_served 0
start_server 2
check dmsetup remove served
check wait "$server"
for bad in "2 queues 0" "2 tags 999" "2 slot_sectors 7" "1 queues" "1 nonsense" "2 timeout_ms 1"; do
	# shellcheck disable=SC2086 # words
	! dmsetup create bad --table "0 $sectors tidemark-serve $bad" 2>/tmp/dd || fail "$bad was taken"
done
check modprobe -r dm-tidemark

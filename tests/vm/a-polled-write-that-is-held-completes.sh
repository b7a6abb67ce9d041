#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Who polls for a write and has it held by a cut gets it back: a worker submits it,
# and nobody polls the queue for that worker.
#
# vm: disks=32M:nvme mem=640 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:nvme rawagent fio

# Queues that are polled have to be asked for.
check modprobe -r nvme
check modprobe nvme poll_queues=1
wait_until 30 test -b /dev/nvme0n1
echo 1 >/sys/block/nvme0n1/queue/io_poll 2>/dev/null || true
[ "$(</sys/block/nvme0n1/queue/io_poll)" -eq 1 ] || skip "this kernel does not poll NVMe"

load_module
track disk /dev/nvme0n1
image disk full slow=5000 &
reader=$!
wait_until 10 cut_is disk active
check fio --name=polled --filename=/dev/nvme0n1 --ioengine=pvsync2 --hipri --direct=1 \
	--rw=randwrite --bs=16k --size=32M --io_size=4M --minimal --output=/tmp/fio
wait "$reader"
[ "$(said disk preserved)" -gt 0 ] || fail "no write was held: nothing was proved"
image disk
exact disk
! dmesg | grep 'nvme.*timeout' || fail "a write was found only when its time was over"

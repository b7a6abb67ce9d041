#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# fio overwrites all of a file, round after round, asynchronously and at random, each round with
# another pattern, while a second one writes elsewhere. Restored to the end of a round, each
# block has just that round's pattern: fio verifies them.
#
# vm: disks=96M,96M,1G mem=1024 timeout=600 long=3600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark fio
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
rounds=$(rounds 8 60)

# of_round ROUND DIRECTORY WORD...
of_round() {
	fio --name=rounds --directory="$2" --filename=file --size=8M --bs=4k --rw=randwrite --randseed=7 \
		--ioengine=io_uring --iodepth=16 --direct=1 --verify=pattern \
		--verify_pattern="0x$(printf %08x $((0xa5000000 + $1)))" "${@:3}" >/tmp/fio 2>&1 ||
		fail "round $1: $(tail -n 20 /tmp/fio)"
}

load_module settle_ms=60000
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 15s'
start_daemon
start_writer /mnt/data/tree
for round in $(seq "$rounds"); do
	of_round "$round" /mnt/data --do_verify=0 --end_fsync=1
	check tidemark mark data "round $round"
done
stop_writer "$writer"
stop_daemon
mkdir -p /tmp/replay
for round in $(shuf -i "1-$rounds"); do
	check tidemark restore --mark "round $round" /dev/vdb --force --quiet
	check mount -t ext4 /dev/vdb /tmp/replay
	of_round "$round" /tmp/replay --verify_only=1 --verify_fatal=1
	check umount /tmp/replay
	# The test itself: another pattern is found out.
	[ "$round" -eq 1 ] || continue
	check mount -t ext4 /dev/vdb /tmp/replay
	! (of_round 2 /tmp/replay --verify_only=1 --verify_fatal=1) >/dev/null || fail "fio verifies nothing"
	check umount /tmp/replay
done
check umount /mnt/data
check dmsetup remove data

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What writing to a mounted ext4 achieves while tidemarkd keeps the stream, over what it
# achieves without: sequentially, and 4 KiB at random. In turn, the medians of five rounds. The
# machine is emulated, with two processors that tidemarkd and the writer share: hashing and
# compressing cost it far more than a real one.
#
# vm: disks=2G mem=2048 timeout=1800

# shellcheck source=../vm/lib.sh
. lib.sh
# shellcheck source=../vm/lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:tm-disk fio
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

# kib_per_second NAME WORD...: of fio.
kib_per_second() {
	fio --name="$1" --directory=/mnt/data --ioengine=psync --size=48M --end_fsync=1 \
		--filename=file --output-format=json "${@:2}" | jq '.jobs[0].write.bw'
}

measure() {
	kib_per_second seq --rw=write --bs=1M >>"/tmp/seq.$1"
	kib_per_second rand --rw=randwrite --bs=4k --io_size=12M >>"/tmp/rand.$1"
}

median() {
	sort -n "$1" | sed -n 3p
}

ratio() {
	awk -v a="$(median "/tmp/$1.on")" -v b="$(median "/tmp/$1.off")" 'BEGIN { printf "%.2f", a / b }'
}

test_disk add td0 size=96M
make_ext4 /dev/td0
mount_ext4 /dev/td0 /mnt/data
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
load_module
check tidemark init "$TIDEMARK_REPOSITORY"
configure "$TIDEMARK_REPOSITORY" data /dev/td0
for _ in 1 2 3 4 5; do
	measure off
	start_daemon
	measure on
	stop_daemon
	check dmsetup remove data
done
paste /tmp/seq.off /tmp/seq.on /tmp/rand.off /tmp/rand.on
echo "bench stream writes: seq_write_vs_off=$(ratio seq) rand_write_vs_off=$(ratio rand)"

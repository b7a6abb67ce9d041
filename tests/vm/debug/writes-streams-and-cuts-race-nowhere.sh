#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Two processors write a null disk as fast as they can while a stream is drained and
# cuts are made: where KCSAN looks often and long enough to see a counter that nobody
# protects in the path of a write.
#
# vm: mem=768 timeout=120 args=kcsan.udelay_task=200 args=kcsan.udelay_interrupt=100
# vm: args=kcsan.skip_watch=500

# shellcheck source=../lib.sh
. lib.sh

requires module:dm-tidemark module:tm-disk dmsetup rawagent fio

write_for() {
	fio --name=writes --filename=/dev/td0 --direct=1 --ioengine=psync --numjobs=2 --rw=randwrite \
		--bs=4k --time_based --runtime="$1" --size=32m --group_reporting --minimal >/dev/null
}

load_module
test_disk add td0 size=32M mode=null
check dmsetup create volume --table "0 $(blockdev --getsz /dev/td0) tidemark stream /dev/td0 0 2 stall_ms 60000"
cleanup dmsetup remove volume

rawagent drain /dev/mapper/volume &
drain=$!
write_for 25
kill "$drain"
wait "$drain" || true
dmsetup status volume | tee /dev/stderr | grep -E ' recorded [1-9][0-9]{3,} gaps 0 '

write_for 20 &
writer=$!
for ((round = 0; round < 6; round++)); do
	# A cut may be lost here; what is looked for are races.
	rawagent image /dev/mapper/volume /dev/td0 /tmp/image full || [ $? -eq 3 ]
done
wait "$writer"

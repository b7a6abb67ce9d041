#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Processors go off and come back while a disk is attached, cut, written and detached:
# what rests on one that is off is not forgotten (the module could never be unloaded),
# what comes back finds its place, and no write is lost.
#
# vm: smp=3 mem=768 timeout=240 long=2400

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:tm-disk dmsetup rawagent shadow taskset
[ -e /sys/devices/system/cpu/cpu2/online ] || skip "processors cannot be switched off here"

switch() {
	echo "$2" >"/sys/devices/system/cpu/cpu$1/online"
}

# write_on CPU: the disk completes each request where it was submitted.
write_on() {
	check taskset $((1 << $1)) dd if=/dev/urandom of=/dev/td0 bs=4k count=50 seek=$((RANDOM % 1000)) \
		oflag=direct conv=notrunc status=none
}

switch_all_the_time() {
	trap 'exit 0' TERM
	while :; do
		switch $((1 + RANDOM % 2)) 0
		sleep 0.0$((RANDOM % 10))
		switch $((1 + RANDOM % 2)) 0
		sleep 0.0$((RANDOM % 10))
		switch 1 1
		switch 2 1
		sleep 0.0$((RANDOM % 10))
		echo >>/tmp/switched
	done
}

test_disk add td0 size=8M
load_module

echo "--- off when it is detached"
track volume /dev/td0
image volume full
write_on 1
write_on 2
switch 1 0
write_on 2
image volume
exact volume
untrack volume
unload_module

echo "--- off when it is attached"
load_module
track volume /dev/td0
image volume full
switch 2 0
switch 1 1
write_on 1
switch 2 1
write_on 2
image volume
exact volume
untrack volume
unload_module

echo "--- on and off all the time"
nr=$(rounds 10 200)
start_shadow /dev/td0 1000
switch_all_the_time &
switcher=$!
cleanup stop_writer_if_running "$switcher"
for ((round = 0; round < nr; round++)); do
	load_module >/dev/null
	dmsetup create volume --table "0 $(blockdev --getsz /dev/td0) tidemark track /dev/td0 0"
	shadowed_image "$shadow_log" /dev/mapper/volume /dev/td0 /tmp/image full
	shadowed_image "$shadow_log" /dev/mapper/volume /dev/td0 /tmp/image
	dmsetup remove volume
	unload_module >/dev/null
done
kill "$switcher" || fail "a processor could not be switched"
wait "$switcher"
echo "switched $(wc -l </tmp/switched) times in $nr rounds"
[ "$(wc -l </tmp/switched)" -ge "$nr" ] || fail "not once a round"
stop_shadow "$shadow"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The slowest write while the disk under it is attached, detached, and cut (without a
# freeze, every chunk frozen, nothing of it read by the agent), in milliseconds of
# instructions. The machine has one processor, which the writers share with whoever
# attaches and cuts: waiting for it counts.
#
# The disk takes a millisecond for each request. device_ms is its own worst: while
# nothing happens to it.

# shellcheck source=../vm/lib.sh
. lib.sh

requires module:dm-tidemark module:tm-disk worst rawagent

declare -A worst_us=([device]=0 [attach]=0 [detach]=0 [cut]=0)

# after NAME: what was done since the last call was NAME.
after() {
	local name us
	echo "$1" >&"${COPROC[1]}"
	read -r name us <&"${COPROC[0]}"
	echo "$name $us us"
	[ "$us" -le "${worst_us[$name]}" ] || worst_us[$name]=$us
}

# Smaller than the ring: the cut is never lost.
cut_once() {
	rawagent hold /dev/mapper/volume full >/tmp/agent &
	wait_until 10 grep -q cut /tmp/agent
	sleep 0.1
	kill $!
	wait $! || true
}

milliseconds() {
	echo "$(($1 / 1000)).$((($1 % 1000) / 100))"
}

test_disk add td0 size=12M delay_us=1000
sectors=$(blockdev --getsz /dev/td0)
load_module
coproc worst /dev/td0 4
sleep 0.1
echo start >&"${COPROC[1]}"
read -r _ <&"${COPROC[0]}"
for _ in $(seq "${ROUNDS:-10}"); do
	sleep 0.2
	after device
	dmsetup create volume --table "0 $sectors tidemark track /dev/td0 0"
	after attach
	cut_once
	after cut
	dmsetup remove volume
	after detach
done
echo "bench latency: attach_ms=$(milliseconds "${worst_us[attach]}")" \
	"detach_ms=$(milliseconds "${worst_us[detach]}") cut_ms=$(milliseconds "${worst_us[cut]}")" \
	"device_ms=$(milliseconds "${worst_us[device]}")"
eval "exec ${COPROC[1]}>&-"
wait "$COPROC_PID"

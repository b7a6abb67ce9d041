#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The ring is full and nobody drains it: writes go on, status and uevents say that
# the stream is behind, and it catches up by reading only what was written meanwhile.
#
# vm: disks=64M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark dmsetup rawstream uevents

status_says() {
	dmsetup status volume | grep -q "$1"
}

write_chunks() {
	dd if=/dev/urandom of=/dev/vda bs=64k seek="$1" count="$2" oflag=direct conv=notrunc status=none
}

nr_events() {
	dmsetup info -c --noheadings -o events volume
}

has_more_events_than() {
	[ "$(nr_events)" -gt "$1" ]
}

load_module
uevents >/tmp/events &
cleanup kill $!
table="0 $(blockdev --getsz /dev/vda) tidemark stream /dev/vda 0 2 stall_ms 100"
check dmsetup create volume --table "$table"
cleanup dmsetup remove volume
status_says '^0 [0-9]* tidemark stream .* stream off '
refused 1 'not connected' dmsetup message volume 0 mark early
follow /dev/vda /tmp/stream ring=262144
wait_until 60 has_said scanned 1
status_says ' agent yes stream on '
write_chunks 3 1

for round in 1 2 3; do
	# A table that never goes live must not take the events of the one that is.
	dmsetup load volume --table "$table"
	dmsetup clear volume
	events=$(nr_events)
	kill -STOP "$follower"
	write_chunks $((round * 100)) 32
	wait_until 10 status_says " stream behind recorded [0-9]* gaps $round "
	wait_until 10 has_more_events_than "$events"
	kill -CONT "$follower"
	wait_until 30 has_said scanned $((round + 1))
	status_says ' stream on '
	write_chunks $((round * 100 + 50)) 1
done
stop_following
[ "$(grep -c '^behind 1$' /tmp/said)" -eq 3 ]
# 32 chunks, and the few that were written before and not acknowledged.
grep '^scanned' /tmp/said | tail -n +2 | awk '$2 < 32 || $2 > 36 { exit 1 }' ||
	fail "it did not read just what was written"
cat /tmp/events
[ "$(grep -c 'TIDEMARK_STREAM=behind' /tmp/events)" -ge 3 ]
[ "$(grep -c 'TIDEMARK_STREAM=on' /tmp/events)" -ge 4 ]
dmesg | grep -c 'stream behind: the agent did not drain' | grep '^3$'
check rawstream replay /tmp/stream /tmp/image
same_device /tmp/image /dev/vda

# The table takes the stream away, and gives it back.
check dmsetup reload volume --table "0 $(blockdev --getsz /dev/vda) tidemark track /dev/vda 0"
check dmsetup suspend volume
check dmsetup resume volume
mkdir /tmp/again
refused 1 'not supported' rawstream follow /dev/mapper/volume /dev/vda /tmp/again

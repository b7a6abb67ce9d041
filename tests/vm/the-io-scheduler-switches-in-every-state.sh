#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The I/O scheduler of a disk under load is switched two hundred times: detached,
# attached, with a cut being read, with writes held for an agent that does not
# drain its ring, with the cut lost, and with the stream being read. Nothing hangs, no write is lost, and the
# images are exact. (A filter that swaps a disk's operations hangs here.) Emulated
# processors take turns, see attach-and-detach-under-load.sh.
#
# vm: disks=16M mem=640 timeout=300 long=3600 thread=single

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent rawstream shadow

each=$(rounds 40 400)
queue=/sys/block/vda/queue/scheduler
switched=0

switch() {
	local names
	read -ra names < <(tr -d '[]' <"$queue")
	echo "${names[switched++ % ${#names[@]}]}" >"$queue"
}

# in_state NAME: that many switches, while the function NAME says that it holds.
in_state() {
	local start=$switched writes
	writes=$(md5sum <"$shadow_log")
	while [ $((switched - start)) -lt "$each" ]; do
		"$1" || continue
		switch
	done
	wait_until 60 eval "[ '$writes' != \"\$(md5sum <'$shadow_log')\" ]"
	echo "$each switches $1"
}

detached() {
	[ ! -e /dev/mapper/volume ]
}

attached() {
	[[ $(dmsetup status volume) == *' track none '* ]]
}

# Read again and again, slowly, each image proved.
cut_open() {
	if [ -z "$reader" ] || ! kill -0 "$reader" 2>/dev/null; then
		[ -z "$reader" ] || wait "$reader" || fail "an image was not what the device held"
		shadowed_image "$shadow_log" /dev/mapper/volume /dev/vda /tmp/image full slow=4000 \
			>/tmp/said &
		reader=$!
	fi
	[[ $(dmsetup status volume) == *' track active '* ]]
}

held() {
	dmsetup status volume | sed -E 's/.* held ([0-9]+) .*/\1/'
}

hold_again() {
	held_before=$(held)
	[ -z "$holder" ] || { kill "$holder" && ! wait "$holder"; } 2>/dev/null
	rawagent hold /dev/mapper/volume full ring=262144 >/tmp/held &
	holder=$!
	wait_until 20 grep -q cut /tmp/held
}

# The ring has room for three chunks, so the fourth write waits, for stall_ms.
writes_held() {
	[[ $(dmsetup status volume) == *' track active '* ]] || hold_again
	[ $(($(held) - held_before)) -gt 3 ]
}

cut_lost() {
	[[ $(dmsetup status volume) == *' track lost '* ]]
}

streaming() {
	[[ $(dmsetup status volume) == *' agent yes stream on'* ]]
}

volume() {
	check dmsetup create volume \
		--table "0 $(blockdev --getsz /dev/vda) tidemark $1 /dev/vda 0 2 stall_ms 3000"
}

for name in bfq kyber-iosched mq-deadline; do
	modprobe -q "$name" || true
done
echo "schedulers: $(<"$queue")"
[ "$(wc -w <"$queue")" -gt 1 ] || skip "this kernel has one scheduler"
reader='' holder=''
load_module
start_shadow /dev/vda 500
in_state detached
volume track
cleanup dmsetup remove volume
in_state attached
in_state cut_open
wait "$reader"
in_state writes_held
wait_until 20 cut_lost
in_state cut_lost
kill "$holder"
wait "$holder" || true
in_state attached
check dmsetup remove volume

# What the records say is not looked at here.
mkdir /tmp/follower
ln -s /dev/null /tmp/follower/log
volume stream
rawstream follow /dev/mapper/volume /dev/vda /tmp/follower &
follower=$!
wait_until 30 streaming
in_state streaming
kill "$follower"
wait "$follower"

check shadowed_image "$shadow_log" /dev/mapper/volume /dev/vda /tmp/image full
stop_shadow "$shadow"
check rawagent image /dev/mapper/volume /dev/vda /tmp/image
same_device /tmp/image /dev/vda
echo "switched $switched times"

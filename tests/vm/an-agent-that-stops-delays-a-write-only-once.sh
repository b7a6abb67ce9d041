#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# An agent that is stopped, killed, or writes nonsense into the ring's page never
# fails a write and never holds one for good: the cut is lost, the writes go on,
# and what the cut had frozen is dirty again.
#
# vm: disks=64M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent

sectors=$(blockdev --getsz /dev/vda)

# Sequential direct writes over everything; reports the longest one in ms.
write_all() {
	slowest /dev/vda 65536
}

volume_says() {
	[[ $(dmsetup status volume) == *" $1 "* ]]
}

start_agent() {
	rawagent "$@" >/tmp/agent &
	agent=$!
	wait_until 10 grep -q cut /tmp/agent
}

dirty() {
	dmsetup status volume | sed -E 's/.* ([0-9]+)\/[0-9]+ .*/\1/'
}

load_module
check dmsetup create volume --table "0 $sectors tidemark track /dev/vda 0 2 stall_ms 200"
cleanup dmsetup remove volume
rawagent image /dev/mapper/volume /dev/vda /tmp/image full
[ "$(dirty)" -eq 0 ] || fail "dirty after a commit"

# Never drains: 64 MiB of writes do not fit the ring of 16 MiB.
start_agent wait-lost /dev/mapper/volume
write_all
wait "$agent" || fail "the agent did not see the loss"
check grep -x 'lost 1' /tmp/agent
wait_until 5 volume_says none
[ "$(dirty)" -eq 1024 ] || fail "a lost cut must leave everything dirty that was written"

# Stopped in the middle of a cut.
start_agent hold /dev/mapper/volume full
kill -STOP "$agent"
write_all
wait_until 5 volume_says lost
kill -KILL "$agent"
wait_until 5 volume_says none

# Killed in the middle of a cut, with writes held for it.
for round in 1 2 3 4 5; do
	start_agent hold /dev/mapper/volume full
	write_all &
	writes=$!
	sleep "0.0$round"
	kill -KILL "$agent"
	wait "$writes" || fail "a write failed"
	wait_until 5 volume_says none
done

# Nonsense in the shared page.
start_agent break /dev/mapper/volume
write_all
wait "$agent" || fail "the agent did not see the loss"
check grep -x 'lost 2' /tmp/agent

# It recovers without being detached.
rawagent image /dev/mapper/volume /dev/vda /tmp/image | grep '^frozen 1024 '
same_device /tmp/image /dev/vda

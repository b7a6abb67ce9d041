#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A repository that is slower than the writers does not cost the cut: what is
# overwritten waits in bounded memory and then in a file of the repository, and
# the point is exact. An agent that cannot even do that loses its cut, says so
# and begins again.
#
# vm: disks=192M,192M,1200M,192M mem=900 timeout=1200

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:dm-delay

cut_is() {
	[[ $(dmsetup status tidemark-vda) == *" $1 "* ]]
}

has_spilled() {
	local fd
	for fd in "/proc/$agent/fd/"*; do
		[[ $(readlink "$fd") == "$TIDEMARK_REPOSITORY/#"*deleted* ]] || continue
		[ "$(stat -Lc %s "$fd")" -eq 0 ] || return 0
	done
	return 1
}

load_module
# A mebibyte of a pack takes as long as a delayed write: 3 MiB/s.
delayed_writes() {
	echo "0 $(blockdev --getsz /dev/vdc) delay /dev/vdc 0 0 /dev/vdc 0 $1"
}
check dmsetup create slow --table "$(delayed_writes 300)"
cleanup dmsetup remove slow
make_ext4 /dev/mapper/slow
mount_ext4 /dev/mapper/slow /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda
# Less than the repository's delay, more than what a busy host steals from the agent.
check dmsetup message tidemark-vda 0 stall_ms 250

# Overwrite the volume while it is backed up. 1: the host was too busy to show anything.
overwritten_in_time() {
	local mib spilled=
	check dd if=/dev/urandom of=/dev/vda bs=1M count=192 oflag=direct status=none
	check dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct oflag=direct status=none
	tidemark backup /dev/vda --json >/tmp/backup 2>/tmp/said &
	agent=$!
	wait_until 20 cut_is active
	# From the end, where the readers come last.
	for ((mib = 188; mib >= 0; mib -= 4)); do
		dd if=/dev/zero of=/dev/vda bs=4M seek=$((mib / 4)) count=1 oflag=direct conv=notrunc status=none
		if [ -z "$spilled" ] && has_spilled; then
			spilled=yes
		fi
	done
	grep VmHWM "/proc/$agent/status" >/tmp/memory || true
	check wait "$agent"
	cat /tmp/said /tmp/memory
	jq -c '{preserved_bytes, attempts, seconds}' </tmp/backup
	[ "$(json attempts </tmp/backup)" -eq 1 ] && [ -n "$spilled" ] &&
		[ "$(json preserved_bytes </tmp/backup)" -gt $((64 << 20)) ]
}

# What waits for the repository never gets through, however often it tries.
for try in 1 2 3 4; do
	[ "$try" -lt 4 ] || fail "each cut was lost, or nothing went to a file"
	! overwritten_in_time || break
done
[ "$(awk '{ print $2 }' /tmp/memory)" -lt $((256 << 10)) ] || fail "used too much memory"
check tidemark restore latest /dev/vdd --quiet
same_device /dev/vdb /dev/vdd

# Stopped, with everything overwritten. Until then it has much to store, slowly, or it
# might have read it all.
check dd if=/dev/urandom of=/dev/vda bs=1M count=192 oflag=direct status=none
tidemark backup /dev/vda --json --full >/tmp/backup 2>/tmp/said &
agent=$!
wait_until 20 cut_is active
check kill -STOP "$agent"
check dmsetup reload slow --table "$(delayed_writes 0)"
check dmsetup resume slow
check dd if=/dev/urandom of=/dev/vda bs=1M count=192 oflag=direct status=none
wait_until 20 cut_is lost
check kill -CONT "$agent"
check wait "$agent"
cat /tmp/said
grep -q 'trying again' /tmp/said || fail "did not say that it tried again"
[ "$(json attempts </tmp/backup)" -eq 2 ] || fail "$(json attempts </tmp/backup) attempts"
check tidemark restore latest /dev/vdb --force --quiet
same_device /dev/vda /dev/vdb
[ "$(tidemark points --json | jq '.points | length')" -eq $((try + 1)) ] || fail "not as many points as backups"

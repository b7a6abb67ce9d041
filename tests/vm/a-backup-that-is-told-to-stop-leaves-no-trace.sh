#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A backup that gets SIGTERM or SIGHUP ends its cut, leaves no point, and the
# next one is incremental and exact. While one runs, a second backup and a
# detach are refused, and status works.
#
# vm: disks=192M,192M,512M mem=768 timeout=400

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

nr_points() {
	tidemark points --json | jq '.points | length'
}

cut_is() {
	[ "$(tidemark status --json | json 'attachments[0].cut')" = "$1" ]
}

protect_ext4 /dev/vda /dev/vdc
check dd if=/dev/urandom of=/mnt/data/file bs=1M count=120 conv=fsync status=none
check tidemark backup /dev/vda

# Not INT: the background jobs of a script ignore it, and so do their backups.
for signal in TERM HUP; do
	check dd if=/dev/urandom of=/mnt/data/file bs=1M count=100 conv=notrunc,fsync status=none
	tidemark backup /dev/vda >/dev/null 2>/tmp/said &
	agent=$!
	wait_until 20 cut_is active
	# It must not be done before it is told.
	check kill -STOP "$agent"
	refused 7 'another agent has it' tidemark backup tidemark-vda
	refused 7 'is running' tidemark detach /dev/vda
	tidemark status | grep -q ' yes  *ok$' || fail "status does not show the agent"
	check kill "-$signal" "$agent"
	check kill -CONT "$agent"
	status=0
	wait "$agent" || status=$?
	cat /tmp/said
	[ "$status" -eq 1 ] || fail "status $status"
	grep -q 'interrupted' /tmp/said || fail "does not say that it was interrupted"
	cut_is none || fail "the cut is still there"
	echo probe >/mnt/data/probe
	sync /mnt/data/probe
done
[ "$(nr_points)" -eq 1 ] || fail "$(nr_points) points"

tidemark backup /dev/vda --json >/tmp/backup
cat /tmp/backup
[ "$(json kind </tmp/backup)" = incremental ] || fail "not incremental"
[ "$(json freeze </tmp/backup)" = true ] || fail "not frozen"
check umount /mnt/data
tidemark backup /dev/vda --json >/tmp/backup
check tidemark restore "$(json point </tmp/backup)" /dev/vdb
same_device /dev/vda /dev/vdb
check tidemark verify

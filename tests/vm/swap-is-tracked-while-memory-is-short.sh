#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The whole swap is attached and backed up while memory is short: reclaim goes through
# the module, held writes included, and never waits for itself; what comes back from
# swap is what went there, and the points are exact.
#
# vm: disks=384M,512M,384M mem=640 timeout=240

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires tidemark module:dm-tidemark hog same

vmstat() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

has_swapped() {
	[ "$(vmstat pswpout)" -ge "$1" ]
}

# Pages looked at for reclaim: which of the two does it is the kernel's affair.
scanned() {
	awk '/^pgscan_(kswapd|direct) / { n += $2 } END { print n }' /proc/vmstat
}

available_mib() {
	awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo
}

# Without it swapoff would have nowhere to go.
kill_if_running() {
	! kill "$1" 2>/dev/null || wait "$1" || true
}

load_module
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check mkswap -q /dev/vda
check swapon /dev/vda
cleanup swapoff -a
check tidemark attach /dev/vda --name swap
cleanup tidemark detach swap

# All of it fits, and not much else: a backup's page cache makes memory short.
hog $(($(available_mib) - 48)) &
hog=$!
cleanup kill_if_running "$hog"
wait_until 60 has_swapped 10000
before_backups=$(scanned)
for round in full first second; do
	before=$(vmstat pswpout)
	echo "== $round backup"
	check tidemark backup swap
	wait_until 60 has_swapped $((before + 1000))
done
[ "$(status_word swap held)" -gt 0 ] || fail "reclaim never came in the reader's way"
[ "$(scanned)" -gt "$before_backups" ] || fail "memory was never short"
kill "$hog" || fail "the hog was not running any more"
wait "$hog" || true

check swapoff /dev/vda
check tidemark backup swap --quiet
check tidemark restore latest /dev/vdc --quiet
check same /dev/vda 0 "$(blockdev --getsz /dev/vda)" /dev/vdc

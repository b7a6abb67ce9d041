# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# udev as Debian runs it, for tests whose head has "# vm: udev". It is there from
# start_udev on, not before. Sourced after lib.sh.

start_udev() {
	unset DM_DISABLE_UDEV
	export SYSTEMD_PAGER=cat
	check /usr/lib/systemd/systemd-udevd --daemon
	cleanup udevadm control --exit
	coldplug
}

# Every device is announced again, as when a machine starts.
coldplug() {
	check udevadm trigger --action=add
	settle
}

settle() {
	check udevadm settle --timeout=60
}

# udev's database has this line for NODE: known NODE "E: ID_FS_LABEL=data"
known() {
	udevadm info "$1" >/tmp/known
	grep -qxE "$2" /tmp/known
}

# is_ignored NODE: udev knows it by its name, and has told all others to keep off.
is_ignored() {
	local word
	for word in DM_UDEV_DISABLE_{SUBSYSTEM,DISK,OTHER}_RULES_FLAG=1 UDISKS_IGNORE=1 \
		SYSTEMD_READY=0 "DM_NAME=${1##*/}"; do
		known "$1" "E: $word" || fail "$1 has no $word: $(</tmp/known)"
	done
	! known "$1" 'E: ID_FS_.*' || fail "$1 was probed: $(</tmp/known)"
	! known "$1" 'S: disk/.*' || fail "$1 has links of a disk: $(</tmp/known)"
}

# links_to LINK NODE
links_to() {
	[ "$(readlink -f "/dev/disk/$1")" = "$2" ] || fail "$1 is $(readlink -f "/dev/disk/$1"), not $2"
}

# Bios that were queued on NODE since trace_start (lib-devices.sh), whoever did it.
bios_on() {
	local dev
	dev=$(lsblk -dno MAJ:MIN "$1" | tr -d ' ' | tr : ,)
	grep -F "block_bio_queue: $dev " /sys/kernel/tracing/trace
}

untouched() {
	local node
	for node; do
		! bios_on "$node" || fail "somebody asked $node for data"
	done
	! dmesg | grep -E 'Buffer I/O error|I/O error, dev' || fail "a read failed"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# Helpers for guest tests. A test sources this file first; from then on any
# command that fails and is not tested ends the test as failed. README.md
# beside this file shows a whole test.
#
# Set by the harness: STAGE, how often this test has been booted, from 1; LONG, not
# empty for the long form; SEED, for what is done at random; SLOW, for how long to wait.

: "${STAGE:=1}" "${LONG:=}" "${SEED:=$RANDOM}" "${SLOW:=1}"
cleanups=()

# In a console (make vm-shell) a typing error must not end the machine.
case $- in
*i*) interactive=yes ;;
*) interactive='' && set -eEuo pipefail ;;
esac

# ------------------------------------------------------------------- verdicts
fail() {
	echo "FAILED: line ${BASH_LINENO[-2]}: $*"
	exit 1
}

skip() {
	echo "$*" >/run/vm-skip
	exit 77
}

# requires fio module:dm-dust /dev/vdb: skip where one of them is missing.
requires() {
	local need
	for need; do
		case $need in
		module:*) modprobe -qn "${need#*:}" || skip "this kernel has no ${need#*:}" ;;
		/*) [ -e "$need" ] || skip "there is no $need" ;;
		*) command -v "$need" >/dev/null || skip "there is no $need" ;;
		esac
	done
}

# kernel_older_than 6.8: for what kernels do differently, not for what they lack.
kernel_older_than() {
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" != "$1" ]
}

# Run "$@" when the test ends, however it ends; the last registered runs first.
# One that fails fails the test: what a test cannot put away is a finding.
cleanup() {
	cleanups=("$(printf '%q ' "$@")" "${cleanups[@]}")
}

run_cleanups() {
	local status=$? command
	trap - ERR
	set +e
	for command in "${cleanups[@]}"; do
		eval "$command" || {
			echo "FAILED: cleanup: $command"
			[ "$status" -ne 0 ] || status=1
		}
	done
	exit "$status"
}
[ -n "$interactive" ] || trap run_cleanups EXIT

# The test's own line, wherever below it the command stood.
report_error() {
	echo "FAILED: line ${BASH_LINENO[-2]}: status $1 from: $2"
}
[ -n "$interactive" ] || trap 'report_error $? "$BASH_COMMAND"' ERR

# ------------------------------------------------------------------- commands
# Show a command and run it; the test ends where it fails.
check() {
	echo "+ $*"
	"$@" || fail "status $? from: $*"
}

# refused 3 'is mounted' tidemark restore ...: the command must end with exactly
# this status and must say this on stderr.
refused() {
	local want=$1 text=$2 status=0
	shift 2
	echo "+ $*"
	"$@" 2>/tmp/refused || status=$?
	cat /tmp/refused
	[ "$status" -eq "$want" ] || fail "status $status, not $want, from: $*"
	grep -qF -- "$text" /tmp/refused || fail "does not say '$text': $*"
}

# wait_until 30 COMMAND...: try once every 0.1 s, give up after 30 s, or SLOW times that.
wait_until() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "still not true: $*"
		sleep 0.1
	done
}

# How often to do it: rounds IN_CI IN_CHECK_LONG
rounds() {
	if [ -n "${LONG:-}" ]; then
		echo "$2"
	else
		echo "$1"
	fi
}

# Field of the JSON object on stdin: json point, json .volumes[0].name
json() {
	jq -erM ".${1#.}"
}

# -------------------------------------------------------------------- devices
make_ext4() {
	check mkfs.ext4 -q -F "$@"
}

make_xfs() {
	check mkfs.xfs -q -f "$@"
}

# Mount and register the unmount.
mount_as() {
	local type=$1 device=$2 dir=$3
	mkdir -p "$dir"
	check mount -t "$type" "$device" "$dir"
	cleanup unmount_if_mounted "$dir"
}

mount_ext4() {
	mount_as ext4 "$@"
}

mount_xfs() {
	mount_as xfs "$@"
}

unmount_if_mounted() {
	! findmnt "$1" >/dev/null || umount "$1"
}

# A file system that was cut while mounted: mounting replays its journal, and
# then nothing may be left to complain about.
fsck_ext4() {
	mkdir -p /tmp/replay
	check mount -t ext4 "$1" /tmp/replay
	check umount /tmp/replay
	check e2fsck -fn "$1"
}

disk_bytes() {
	blockdev --getsize64 "$1"
}

# What is on a device, or in a file. Never trust a buffered read of a device
# with a mounted file system on it: the page cache shows bitmaps that were not
# written yet, and file data as it was when somebody last read the device.
read_media() {
	if [ -b "$1" ]; then
		dd if="$1" bs=1M iflag=direct status=none
	else
		cat "$1"
	fi
}

# Two devices or images, byte for byte.
same_device() {
	echo "+ cmp $1 $2"
	read_media "$1" | cmp - <(read_media "$2") || fail "$1 and $2 differ"
}

# Everything written is on the disk, and nothing more is written until thaw.
sync_and_freeze() {
	check fsfreeze --freeze "$1"
	cleanup thaw_if_frozen "$1"
}

thaw() {
	check fsfreeze --unfreeze "$1"
}

# Thawing what is not frozen fails, which is what we want to know nothing of.
thaw_if_frozen() {
	fsfreeze --unfreeze "$1" 2>/dev/null || true
}

# A test knows what is on its way when it attaches. load_module settle_ms=60000 is what
# users have.
load_module() {
	check modprobe dm-tidemark settle_ms=0 "$@"
	cleanup unload_module_if_loaded
}

unload_module() {
	check rmmod dm_tidemark
}

unload_module_if_loaded() {
	[ ! -e /sys/module/dm_tidemark ] || rmmod dm_tidemark
}

# test_disk add td0 size=64M cache=1: a command for the test disk; the head of
# tests/kernel/tm-disk-main.c has them all.
test_disk() {
	[ -e /sys/module/tm_disk ] || load_test_disks
	echo "+ test_disk $*"
	echo "$*" >/sys/kernel/debug/tm-disk/control || fail "test_disk $*"
}

load_test_disks() {
	check modprobe tm-disk
	cleanup modprobe -r tm-disk
}

# test_disk_says td0 dropped: a number from the disk's status.
test_disk_says() {
	sed -n "s/^$2 //p" "/sys/kernel/debug/tm-disk/$1/status"
}

# protect_ext4 DEVICE DISK: a mounted ext4 on DEVICE (/mnt/data), attached, and a
# repository on DISK in $TIDEMARK_REPOSITORY.
protect_ext4() {
	load_module settle_ms=60000
	make_ext4 "$1"
	mount_ext4 "$1" /mnt/data
	make_ext4 "$2"
	mount_ext4 "$2" /mnt/repository
	export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
	check tidemark init "$TIDEMARK_REPOSITORY"
	check tidemark attach "$1"
	cleanup tidemark detach "$1"
}

# -------------------------------------------------------------------- writers
# start_writer DIR [SEED]: create, change, sync, rename and delete files below
# DIR until stop_writer "$writer". Sets $writer (its process) and $writer_log,
# what ckverify wants to see. One that died of an error fails stop_writer.
start_writer() {
	local dir=$1 seed=${2:-1}
	mkdir -p "$dir"
	writer_log=${writer_log:-/tmp/writer.log}
	ckwriter "$dir" "$writer_log" 0 "$seed" &
	writer=$!
	cleanup stop_writer_if_running "$writer"
}

stop_writer() {
	kill -TERM "$1" || fail "the writer was not running any more"
	wait "$1" || fail "the writer failed, status $?"
}

stop_writer_if_running() {
	! kill -TERM "$1" 2>/dev/null || wait "$1"
}

# wait_for_synced 50: until the writer has synced that many files.
wait_for_synced() {
	wait_until 60 enough_synced "$1"
}

enough_synced() {
	[ -e "$writer_log" ] && [ "$(grep -c '^synced ' "$writer_log")" -ge "$1" ]
}

# start_shadow DEVICE [PAUSE_US]: random direct writes all over a device that nobody
# else writes, with a record of their own (bin/shadow.c). Sets $shadow, the process,
# and $shadow_log. stop_shadow "$shadow" proves every write.
start_shadow() {
	shadow_log=/tmp/${1##*/}.shadow
	shadow write "$1" "$shadow_log" $RANDOM "${2:-0}" &
	shadow=$!
	cleanup stop_writer_if_running "$shadow"
	wait_until 10 test -s "$shadow_log"
}

stop_shadow() {
	kill -TERM "$1" || fail "a write failed: the shadow writer was not running any more"
	wait "$1" || fail "the device does not have what was written"
}

# shadowed_image LOG MAPPED LIVE IMAGE [OPTION]...: rawagent's image of a device that a
# shadow writer writes, and proof that it is the device at the cut. Where there is no
# image: rawagent's status.
shadowed_image() {
	local log=$1 status=0
	shift
	rawagent image "$@" log="$log" || status=$?
	[ "$status" -eq 0 ] || return "$status"
	check shadow check "$3" "$3.before" "$3.after"
}

# ---------------------------------------------------------------------- memory
# "NAME NUMBER SLACK" lines of what a module could leave behind: objects in the kernel's
# general caches, pages of vmalloc and of per-CPU memory, kernel threads. Slabs that
# processors hold count as full, which is the slack. To be called with the module
# unloaded.
memory_in_use() {
	local cache slabs=3
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for cache in /sys/kernel/slab/kmalloc-[0-9]*; do
		echo 1 >"$cache/shrink"
	done
	# From 7.0 on each processor keeps more of them by itself.
	kernel_older_than 7.0 || slabs=6
	awk -v slabs="$slabs" '/^kmalloc-[0-9]/ { print $1, $2, slabs * $5 }' /proc/slabinfo
	awk '/^(VmallocUsed|Percpu):/ { print $1, $2 / 4, 0 }' /proc/meminfo
	echo "threads $(threads_in_use) 0"
}

# Rescuers of work queues. A kworker goes by the name of the queue that it served last.
threads_in_use() {
	{ cat /proc/[0-9]*/comm 2>/dev/null || true; } | grep -v '^kworker/' | grep -c tidemark || true
}

# no_memory_kept FILE NR: since memory_in_use wrote FILE there were NR cycles, and
# nothing has grown by as much as one piece in two of them.
no_memory_kept() {
	local name now slack before
	while read -r name now slack; do
		before=$(awk -v name="$name" '$1 == name { print $2 }' "$1")
		[ "$now" -eq "${before:-0}" ] || echo "$name: ${before:-0}, $now after $2 cycles"
		[ $((now - ${before:-0})) -lt $(($2 / 2 + slack)) ] ||
			fail "$name has grown from ${before:-0} to $now"
	done < <(memory_in_use)
	[ -e /sys/kernel/debug/kmemleak ] || return 0
	# It refuses where it is off: the test has no args=kmemleak=on.
	echo scan 2>/dev/null >/sys/kernel/debug/kmemleak || return 0
	sleep 6 # what is younger than 5 s is not reported
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak
	! grep -q tidemark /sys/kernel/debug/kmemleak || fail "kmemleak has found something"
}

# ---------------------------------------------------------- resets and reboots
# Reset the machine now, as a power button does: no sync, no unmount, no
# cleanups. The test is run again with the same disks and STAGE one higher.
# What the disk had acknowledged stays; the harness's disks have no volatile
# cache that could be lost (use test_disk for that).
reboot_hard() {
	echo again >/dev/ttyS1
	echo b >/proc/sysrq-trigger
	sleep 60
}

# In a whole system: shut down as an administrator does, and start again, as after
# reboot_hard. Cleanups do not run, the system has to put everything away itself.
reboot_clean() {
	trap - EXIT
	echo again >/dev/ttyS1
	echo "+ systemctl reboot"
	systemctl reboot
	sleep infinity
}

# Mount /keep: a directory on the host, which outlives a hard reset. Each
# write is there when write() returns.
mount_keep() {
	modprobe 9pnet_virtio # 5.10 does not ask for it
	check mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=65536 keep /keep
}

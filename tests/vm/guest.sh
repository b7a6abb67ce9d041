# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# How a guest runs one test script and tells the host how it ended, whatever its system
# is. Sourced by init and init-system. What the kernel command line says:
#
#	tm.test=NAME	the script /vm/test/NAME; without it, a shell
#	tm.stage=N	how often this test has been booted, from 1
#	tm.disks=N	disks to wait for
#	tm.timeout=S	seconds after which the test is stuck
#	tm.long=1	the long form of the test
#	tm.seed=N	what a test does at random, again
#	tm.slow=N	multiplies how long a test waits for something
#	tm.warns=NAME	a function of the kernel that may warn: the host reads the console
#	tm.tty=NAME	where the script's output goes
#
# The verdict is the last line on the second serial port, to which nobody else
# writes: "exit STATUS", "skip REASON", "again" (see reboot_hard), "stuck" or
# "tainted FLAGS". The first line there says that this process was reached.

# shellcheck disable=SC2034 # for the script that sources this file
read_command_line() {
	local word
	test='' stage=1 disks=0 timeout=0 long='' seed='' slow=1 warns='' tty=ttyS0
	for word in $(</proc/cmdline); do
		case $word in
		tm.test=*) test=${word#*=} ;;
		tm.stage=*) stage=${word#*=} ;;
		tm.disks=*) disks=${word#*=} ;;
		tm.timeout=*) timeout=${word#*=} ;;
		tm.long=*) long=${word#*=} ;;
		tm.seed=*) seed=${word#*=} ;;
		tm.slow=*) slow=${word#*=} ;;
		tm.warns=*) warns=${word#*=} ;;
		tm.tty=*) tty=${word#*=} ;;
		esac
	done
}

# The line is out before this returns: the last close of a tty drains it.
tell_host() {
	echo "$*" >/dev/ttyS1
}

# A stuck test must show where: blocked tasks, and what each process is doing. Not
# their command lines: reading those waits for whoever changes its mappings. Ends the
# guest; the host's timeout is the second line.
watch_the_clock() {
	local process
	sleep "$timeout"
	echo "vm: no end after $timeout s; blocked tasks and stacks follow"
	echo w >/proc/sysrq-trigger
	for process in /proc/[0-9]*; do
		# Threads of the kernel that only wait for work say nothing.
		grep -q '^VmSize' "$process/status" || continue
		echo "vm: process ${process#/proc/}: $(<"$process/comm"), $(grep '^State' "$process/status")"
		cat "$process/stack"
	done 2>/dev/null
	tell_host stuck
	echo b >/proc/sysrq-trigger
}

# Flags that an out-of-tree, unsigned module sets by being loaded: 'O' and 'E'.
# Any other taint is a splat, even one that the console did not show; a warning that
# the test expects sets 'W'.
unexpected_taint() {
	local expected=$((1 << 12 | 1 << 13))
	[ -z "$warns" ] || expected=$((expected | 1 << 9))
	echo $(($(</proc/sys/kernel/tainted) & ~expected))
}

run_test() {
	local status taint
	export STAGE=$stage LONG=$long SEED=$seed SLOW=$slow
	cd /tmp || return
	bash "/vm/test/$test" <>"/dev/$tty" >&0 2>&1
	status=$?
	taint=$(unexpected_taint)
	if [ "$taint" -ne 0 ]; then
		tell_host "tainted $taint"
	elif [ "$status" -eq 77 ]; then
		tell_host "skip $(cat /run/vm-skip 2>/dev/null)"
	else
		tell_host "exit $status"
	fi
	[ "$status" -eq 0 ]
}

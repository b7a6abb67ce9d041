#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Tracers and probes of the hooked function go on beside the hook: they see each write
# once, not a second time when the hook lets it go on, and the hook misses none.
#
# vm: disks=32M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark dmsetup rawagent bios

trace=/sys/kernel/tracing
writes=20

# seen_once WHO PATTERN: that many lines of the trace are of our writes.
seen_once() {
	local first=$1 count i
	echo >$trace/trace
	echo 1 >$trace/tracing_on
	for ((i = 0; i < writes; i++)); do
		bios write /dev/vda $(((first + i) * 65536)) 4096
	done
	echo 0 >$trace/tracing_on
	count=$(grep -c "bios-.*$2" $trace/trace) || fail "$2 is not in the trace: nothing was proved"
	[ "$count" -eq $writes ] || fail "$writes writes were seen $count times"
	expect_frozen volume $writes
}

load_module
echo 0 >$trace/tracing_on
echo submit_bio_noacct >$trace/set_ftrace_filter
track volume /dev/vda
image volume full
tracers=(function function_graph)
# 5.10 graphs no function that is being redirected.
! kernel_older_than 5.11 || tracers=(function)
for tracer in "${tracers[@]}"; do
	echo "== $tracer"
	echo "$tracer" >$trace/current_tracer
	# So that each line of a graph says whose it is.
	[ "$tracer" = function ] || echo funcgraph-proc >$trace/trace_options
	seen_once 0 'submit_bio_noacct'
done
echo nop >$trace/current_tracer

echo "== probe"
echo 'p:ours submit_bio_noacct' >$trace/kprobe_events
echo 1 >$trace/events/kprobes/ours/enable
seen_once 100 'ours: '
# It is there while the attachment goes and comes.
untrack volume
track volume /dev/vda
image volume full
seen_once 200 'ours: '
echo 0 >$trace/events/kprobes/ours/enable
echo >$trace/kprobe_events

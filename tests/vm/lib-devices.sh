# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash disable=SC2154
#
# Attachments made and read without the product's agent, and what is proved of
# them. Sourced after lib.sh.
#
# The proof is always the same: a full image, then increments that are written
# over it. A changed chunk that an increment lacks stays as it was in the image,
# so the image equals the device only where no change was missed, since the start.

declare -A node_of start_of sectors_of

# track NAME NODE [START SECTORS [FEATURE VALUE]...]
track() {
	local name=$1 node=$2 start=${3:-0} sectors=${4:-} features=("${@:5}")
	sectors=${sectors:-$(($(blockdev --getsz "$node") - start))}
	check dmsetup create "$name" --table \
		"0 $sectors tidemark track $node $start ${#features[@]} ${features[*]}"
	cleanup untrack_if_tracked "$name"
	node_of[$name]=$node start_of[$name]=$start sectors_of[$name]=$sectors
}

untrack() {
	check dmsetup remove "$1"
	unset "node_of[$1]"
	rm -f "/tmp/image.$1"
}

untrack_if_tracked() {
	[ -z "${node_of[$1]:-}" ] || untrack "$1"
}

# image NAME [WORD...]: cut and bring /tmp/image.NAME up to date; what rawagent
# says is in /tmp/said.NAME.
image() {
	local name=$1
	shift
	rawagent image "/dev/mapper/$name" "${node_of[$name]}" "/tmp/image.$name" "$@" \
		>"/tmp/said.$name" || fail "image of $name: status $?"
	echo "$name: $(<"/tmp/said.$name")"
}

# images NAME... [-- WORD...]: their cuts overlap.
images() {
	local name names=() jobs=() job
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		names+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	for name in "${names[@]}"; do
		image "$name" "$@" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || fail "an image failed"
	done
}

# said NAME WORD: the number behind a word of what the latest image said.
said() {
	sed -E "s/.*$2 ([0-9]+).*/\1/" "/tmp/said.$1"
}

# exact NAME...: the images are what the devices hold now.
exact() {
	local name
	for name; do
		same "${node_of[$name]}" "${start_of[$name]}" "${sectors_of[$name]}" "/tmp/image.$name" ||
			fail "the image of $name differs"
	done
}

# expect_frozen NAME CHUNKS: the next increment has just that many, and with them
# the image is exact. Where each chunk written has changed that makes them the
# very chunks that were written.
expect_frozen() {
	image "$1"
	[ "$(said "$1" frozen)" -eq "$2" ] || fail "$1: $(said "$1" frozen) chunks in the increment, not $2"
	exact "$1"
}

dirty() {
	dmsetup status "$1" | sed -E 's/.* ([0-9]+)\/[0-9]+ .*/\1/'
}

# status_word NAME WORD: what stands behind it.
status_word() {
	dmsetup status "$1" | sed -E "s/.* $2 ([^ ]+).*/\1/"
}

cut_is() {
	[[ $(dmsetup status "$1") == *" $2 "* ]]
}

# ------------------------------------------------------------- what was issued
# trace_start [DEVICE]: record the bios that are queued, one line each.
trace_start() {
	local trace=/sys/kernel/tracing
	echo 0 >$trace/tracing_on
	echo >$trace/trace
	echo 1 >$trace/events/block/block_bio_queue/enable
	echo 1 >$trace/tracing_on
}

# issued NODE FLAGS [SECTORS]: since trace_start such a bio was queued on NODE's
# disk. FLAGS is a pattern for blktrace's letters (F before W: preflush, after:
# FUA), SECTORS the fewest that it may have.
issued() {
	local dev
	dev=$(lsblk -dno MAJ:MIN "$1" | tr -d ' ' | tr : ,)
	awk -v dev="$dev" -v flags="^$2\$" -v least="${3:-0}" '
		/block_bio_queue:/ {
			for (i = 1; $i != "block_bio_queue:"; i++);
			if ($(i + 1) == dev && $(i + 2) ~ flags && $(i + 5) >= least) found = 1
		}
		END { exit !found }' /sys/kernel/tracing/trace
}

# -------------------------------------------------------------------- in use
# put_in_use NODE [COMMAND...]: a mounted file system on its first 40 MiB (or what
# COMMAND makes, which gets the node as its last argument), written all the time.
put_in_use() {
	local node=$1
	shift
	if [ $# -eq 0 ]; then
		check mkfs.ext4 -q -F "$node" 40M
	else
		check "$@" "$node"
	fi
	mount_as "$(blkid -p -o value -s TYPE "$node")" "$node" /mnt/data
	rm -f /tmp/writer.log
	start_writer /mnt/data/tree
	wait_for_synced 3
}

put_out_of_use() {
	stop_writer "$writer"
	check umount /mnt/data
}

# image_under_load NAME [WORD...]: cut while what is mounted is frozen and the device
# known, then let the writer overtake the reader.
image_under_load() {
	local name=$1 reader
	sync_and_freeze /mnt/data
	read_media "${node_of[$name]}" >/tmp/truth
	image "$name" slow=3000 "${@:2}" &
	reader=$!
	wait_until 10 cut_is "$name" active
	thaw /mnt/data
	wait "$reader"
	same_device "/tmp/image.$name" /tmp/truth
	[ "$(said "$name" preserved)" -gt 0 ] || fail "no write came in the reader's way: nothing was proved"
}

# exact_when_frozen NAME...: increments of what was written up to a freeze.
exact_when_frozen() {
	sync_and_freeze /mnt/data
	images "$@"
	exact "$@"
	thaw /mnt/data
}

# Did a write come in the way of each one's reader?
met_writes() {
	local name
	for name; do
		[ "$(said "$name" preserved)" -gt 0 ] || return 1
	done
}

# prove_in_use NAME...: full images while the file system is written, their cuts
# overlapping, then increments. Readers are slower until they have met a write.
prove_in_use() {
	local slow
	for slow in 300 1200 4800 19200; do
		images "$@" -- full slow="$slow"
		! met_writes "$@" || break
	done
	met_writes "$@" || fail "no write came in the readers' way"
	exact_when_frozen "$@"
	exact_when_frozen "$@"
}

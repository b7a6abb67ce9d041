#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The main job as a user would do it: protect a mounted file system, back it up
# while it is used, lose the disk, restore each point, and prove each one. Runs
# in the VM that tests/vm/demo/run starts, or on a machine's own kernel.
#
# Environment: DEMO_DISKS, the devices in the order below. Optional: DEMO_DIR,
# where to mount them; DEMO_LOAD, how to load the module; DEMO_PLAIN=1 for a
# screen that is no terminal.
#
# What is proved of a point:
#	quiesced	cut from a frozen file system, and the device was copied
#			meanwhile: the restored disk is compared byte for byte
#	under load	cut while files are written: the journal is replayed, then
#			e2fsck -f finds nothing; each file synced before the cut
#			and not touched since has its recorded checksum; the tree
#			that nobody changed is compared with its source

# shellcheck source=../lib.sh
. lib.sh

: "${DEMO_DIR:=/mnt}" "${DEMO_LOAD:=modprobe dm-tidemark}"
IFS=, read -r -a disks <<<"$DEMO_DISKS"
disk=${disks[0]}
repository_disk=${disks[1]}
tree=${disks[2]}
# By the number of the point.
witness=([1]=${disks[3]} [4]=${disks[4]})
target=([1]=${disks[5]} [2]=${disks[6]} [3]=${disks[7]} [4]=${disks[8]})
case $disk in
*[0-9]) volume=${disk}p1 ;;
*) volume=${disk}1 ;;
esac
data=$DEMO_DIR/data
store=$DEMO_DIR/store
restored=$DEMO_DIR/restored
writer_log=$DEMO_DIR/writer.log
export TIDEMARK_REPOSITORY=$store/repository

bold=$'\e[1m' dim=$'\e[2m' normal=$'\e[0m'
if [ -n "${DEMO_PLAIN:-}" ]; then
	bold='' dim='' normal=''
	# Behind a pipe no program draws its progress.
	exec > >(cat) 2>&1
	screen=$!
	cleanup flush_screen
fi

flush_screen() {
	exec >/dev/null 2>&1
	wait "$screen"
}

# --------------------------------------------------------------------- screen
say() {
	echo
	printf "$dim# %s$normal\n" "$@"
}

prompt() {
	echo "$bold\$ $*$normal"
}

run() {
	prompt "$@"
	"$@"
}

# For a command whose output is interesting only when it fails.
run_quietly() {
	prompt "$@"
	"$@" >"$DEMO_DIR/output" 2>&1 || {
		cat "$DEMO_DIR/output"
		return 1
	}
}

size() {
	numfmt --to=iec-i --suffix=B --format=%.1f --round=down "$1"
}

now_ms() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# --------------------------------------------------------------------- points
# One element for each point, from 1.
id=() cut=() kind=() changed=() read=() stored=() backup_s=() cut_ns=() restore_s=() proof=()
points=0 identical=0

# back_up "under load" [OPTION...]: one point, and what it cost.
back_up() {
	local how=$1 n=$((points + 1)) point=$DEMO_DIR/point.json
	shift
	prompt tidemark backup "$volume" "$@"
	# --json is for the table; the progress goes to the screen.
	tidemark backup "$volume" "$@" --json >"$point" || fail "no backup, status $?"
	points=$n
	cut[n]=$how
	id[n]=$(json point <"$point")
	kind[n]=$(json kind <"$point")
	changed[n]=$(json changed_bytes <"$point")
	read[n]=$(json read_bytes <"$point")
	stored[n]=$(json stored_bytes <"$point")
	backup_s[n]=$(json seconds <"$point")
	cut_ns[n]=$(json cut_time_ns <"$point")
	id[n]=${id[n]:0:12}
	echo "point ${id[n]}, ${kind[n]}: $(size "${changed[n]}") changed," \
		"$(size "${read[n]}") read, $(size "${stored[n]}") stored"
}

# A point of the frozen file system, and a copy of the device to hold it to.
back_up_quiesced() {
	local copy=$1
	stop_writer "$writer"
	run fsfreeze --freeze "$data"
	cleanup thaw_if_frozen "$data"
	back_up quiesced --no-freeze
	# Past the page cache, which shows ext4's bitmaps as they are in memory
	# and file data as it was when the device was last read.
	run dd if="$volume" of="$copy" bs=1M iflag=direct status=none
	run fsfreeze --unfreeze "$data"
}

# Wait until the writer has synced this many files more, that is: has worked.
let_it_work() {
	local synced
	synced=$(grep -c '^synced ' "$writer_log" || true)
	wait_for_synced $((synced + $1))
}

# --------------------------------------------------------------------- proofs
# These run as conditions, where bash does not stop at errors: hence each &&.
prove_quiesced() {
	local n=$1
	run cmp "${witness[n]}" "${target[n]}" &&
		run_quietly e2fsck -fn "${target[n]}" &&
		proof[n]="byte for byte"
}

prove_under_load() {
	local n=$1 ok=yes
	# Mounting replays the journal.
	run mount -t ext4 "${target[n]}" "$restored" &&
		run umount "$restored" &&
		run_quietly e2fsck -fn "${target[n]}" &&
		run mount -t ext4 -o ro "${target[n]}" "$restored" ||
		return 1
	run ckverify "$restored/work" "$writer_log" --before "${cut_ns[n]}" >"$DEMO_DIR/proof" || ok=''
	cat "$DEMO_DIR/proof"
	run_quietly tar --compare --file "$tree" --directory "$restored/tree" || ok=''
	umount "$restored" || ok=''
	[ -n "$ok" ] || return 1
	proof[n]="$(sed -n 's/^ckverify: \([0-9]* files\) as.*/\1/p' "$DEMO_DIR/proof"), fsck"
}

restore_and_prove() {
	local n=$1 start
	start=$(now_ms)
	run tidemark restore "${id[n]}" "${target[n]}" || return 1
	restore_s[n]=$(tenths $(($(now_ms) - start)))
	case ${cut[n]} in
	quiesced) prove_quiesced "$n" ;;
	*) prove_under_load "$n" ;;
	esac
}

tenths() {
	echo "$(($1 / 1000)).$(($1 / 100 % 10))"
}

# ------------------------------------------------------------------ the story
protect() {
	say "A disk with a file system, in use: $(size "$(disk_bytes "$tree")") of files, and a writer" \
		"that creates, overwrites, renames, deletes and syncs all the time."
	prompt "sfdisk --label gpt $disk"
	echo "start=2048, size=$(($(disk_bytes "${target[1]}") / 512))" | sfdisk -q --label gpt "$disk"
	wait_until 10 test -b "$volume"
	run mkfs.ext4 -q "$volume"
	run mount -t ext4 "$volume" "$data"
	cleanup unmount_if_mounted "$data"
	mkdir "$data/tree"
	run tar --extract --file "$tree" --directory "$data/tree"
	start_writer "$data/work" 1
	wait_for_synced 50

	say "A repository on another disk; protection of the mounted partition."
	mkfs.ext4 -q "$repository_disk"
	mount -t ext4 "$repository_disk" "$store"
	cleanup unmount_if_mounted "$store"
	# Split where several words make the command.
	# shellcheck disable=SC2086
	run $DEMO_LOAD
	cleanup unload_module_if_loaded
	run tidemark init "$TIDEMARK_REPOSITORY"
	run tidemark attach "$volume"
	attached=yes
	cleanup detach_if_attached
}

detach_if_attached() {
	[ -z "$attached" ] || tidemark detach "$volume"
}

take_points() {
	say "A full backup, of the frozen file system so that it can be compared byte for byte."
	back_up_quiesced "${witness[1]}"

	say "The writer goes on. Two incremental backups while it writes."
	start_writer "$data/work" 2
	let_it_work 150
	back_up "under load"
	let_it_work 150
	say "The second one without freezing the file system: a cut like a power failure."
	back_up "no freeze" --no-freeze

	say "And one more of the frozen file system, after all of that."
	let_it_work 150
	back_up_quiesced "${witness[4]}"
	run tidemark status
	run tidemark points
}

lose_the_disk() {
	say "The disk is lost."
	run umount "$data"
	run tidemark detach "$volume"
	attached=''
	run shred --iterations=1 "$volume"
	if run mount -t ext4 "$volume" "$data"; then
		fail "the file system is still there"
	fi
}

restore_all() {
	local n
	for n in $(seq "$points"); do
		say "Point $n (${kind[n]}, ${cut[n]}) onto a fresh disk, and what it must hold."
		if restore_and_prove "$n"; then
			identical=$((identical + 1))
		else
			echo "point $n is NOT as it was"
		fi
	done
	say "Every block of the repository, hashed again."
	run tidemark verify
}

print_table() {
	local n
	echo
	printf "$bold%-12s %-11s %-10s %9s %9s %9s %7s %7s  %s$normal\n" \
		point kind cut changed read stored backup restore proof
	for n in $(seq "$points"); do
		printf '%-12s %-11s %-10s %9s %9s %9s %5.1f s %5s s  %s\n' "${id[n]}" "${kind[n]}" \
			"${cut[n]}" "$(size "${changed[n]}")" "$(size "${read[n]}")" \
			"$(size "${stored[n]}")" "${backup_s[n]}" "${restore_s[n]:--}" "${proof[n]:-FAILED}"
	done
	echo "volume $(size "$(disk_bytes "$volume")")," \
		"repository $(size "$(du -sb "$TIDEMARK_REPOSITORY" | cut -f 1)")," \
		"$SECONDS s in all"
	echo "demo: $points points, $identical restored identical"
}

main() {
	mkdir -p "$data" "$store" "$restored"
	attached=''
	protect
	take_points
	lose_the_disk
	restore_all
	print_table
	[ "$points" -eq 4 ] && [ "$identical" -eq "$points" ] || exit 1
}

main

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# create, load, clear, suspend, resume, message, status, table, rename and remove in
# any order, right and wrong, on three mapped devices of two disks under load, with
# cuts among them. Each succeeds or fails as a model of device-mapper says; no write
# is lost, each image is one of a moment, and in the end an attachment is as new.
#
# The seed is shown; SEED=N in the line below repeats a walk.
#
# vm: disks=16M,16M mem=768 timeout=400 long=7200 thread=single

# shellcheck source=lib.sh
. lib.sh

requires module:dm-tidemark dmsetup rawagent shadow

seed=${SEED:-$RANDOM}
sectors=$(blockdev --getsz /dev/vda)
names=(ant bee cat)
keys=(whole half other)
declare -A disk=([whole]=vda [half]=vda [other]=vdb)
declare -A table=([whole]="0 $sectors tidemark track /dev/vda 0"
	[half]="0 $((sectors / 2)) tidemark track /dev/vda 0"
	[other]="0 $sectors tidemark track /dev/vdb 0 2 chunk_sectors 16"
	[beyond]="0 $sectors tidemark track /dev/vda 8"
	[nonsense]="0 $sectors tidemark trick /dev/vda 0")
# The model: what stands in each table of each device; suspended is yes or empty.
declare -A exists=() live=() waiting=() suspended=()

# What the device has attached, by whichever of its tables.
attached() {
	echo "${live[$1]:-${waiting[$1]:-}}"
}

# Would a table with this key load on this device?
loads() {
	local name=$1 key=$2 own other
	[ -n "${disk[$key]:-}" ] || return 1
	own=$(attached "$name")
	if [ -n "$own" ]; then
		[ "$own" = "$key" ]
		return
	fi
	for other in "${names[@]}"; do
		[ "$(attached "$other")" != "$key" ] || return 1
	done
}

# ok COMMAND... and bad COMMAND...: what the model expects.
ok() {
	steps=$((steps + 1))
	"$@" >/tmp/out 2>&1 || {
		cat /tmp/out
		fail "step $steps: $*"
	}
}

bad() {
	steps=$((steps + 1))
	refusals=$((refusals + 1))
	! "$@" >/tmp/out 2>&1 || fail "step $steps should have failed: $*"
}

do_create() {
	local name=$1 key=$2
	if [ -z "${exists[$name]:-}" ] && loads "$name" "$key"; then
		ok dmsetup create "$name" --table "${table[$key]}"
		exists[$name]=yes live[$name]=$key
	else
		bad dmsetup create "$name" --table "${table[$key]}"
	fi
}

do_create_empty() {
	if [ -z "${exists[$1]:-}" ]; then
		ok dmsetup create "$1" --notable
		exists[$1]=yes
	else
		bad dmsetup create "$1" --notable
	fi
}

do_load() {
	local name=$1 key=$2
	if [ -n "${exists[$name]:-}" ] && loads "$name" "$key"; then
		ok dmsetup load "$name" --table "${table[$key]}"
		waiting[$name]=$key
	else
		bad dmsetup load "$name" --table "${table[$key]}"
	fi
}

do_clear() {
	if [ -n "${exists[$1]:-}" ]; then
		ok dmsetup clear "$1"
		waiting[$1]=
	else
		bad dmsetup clear "$1"
	fi
}

do_suspend() {
	if [ -n "${exists[$1]:-}" ]; then
		ok dmsetup suspend "$1"
		suspended[$1]=yes
	else
		bad dmsetup suspend "$1"
	fi
}

do_resume() {
	local name=$1
	if [ -z "${exists[$name]:-}" ] ||
		{ [ -z "$(attached "$name")" ] && [ -n "${suspended[$name]:-}" ]; }; then
		bad dmsetup resume "$name"
		return
	fi
	ok dmsetup resume "$name"
	live[$name]=$(attached "$name")
	waiting[$name]='' suspended[$name]=''
}

do_message() {
	if [ -n "${live[$1]:-}" ]; then
		ok dmsetup message "$1" 0 stall_ms $((RANDOM % 100))
		bad dmsetup message "$1" 0 stall_ms much
	elif [ -z "${exists[$1]:-}" ]; then
		bad dmsetup message "$1" 0 forget
	fi
	# Without a live table device-mapper takes messages, and nobody gets them.
}

do_look() {
	local verb
	if [ -z "${exists[$1]:-}" ]; then
		bad dmsetup status "$1"
		return
	fi
	for verb in status table info 'status --inactive' 'table --inactive'; do
		# shellcheck disable=SC2086 # a verb and its option
		ok dmsetup $verb "$1"
	done
}

do_rename() {
	local from=$1 to=${names[RANDOM % 3]}
	if [ -z "${exists[$from]:-}" ] || [ -n "${exists[$to]:-}" ]; then
		bad dmsetup rename "$from" "$to"
		return
	fi
	ok dmsetup rename "$from" "$to"
	exists[$to]=yes live[$to]=${live[$from]:-}
	waiting[$to]=${waiting[$from]:-} suspended[$to]=${suspended[$from]:-}
	exists[$from]='' live[$from]='' waiting[$from]='' suspended[$from]=''
}

do_remove() {
	if [ -n "${exists[$1]:-}" ]; then
		ok dmsetup remove "$1"
	else
		bad dmsetup remove "$1"
	fi
	exists[$1]='' live[$1]='' waiting[$1]='' suspended[$1]=''
}

# In the background, so that verbs meet a cut. It may find its device gone.
take_image() {
	local name=$1 disk=$2 image=/tmp/image.$1 status=0
	rm -f "$image" # it may be of a larger range
	rawagent image "/dev/mapper/$name" "/dev/$disk" "$image" full slow=1000 \
		log="/tmp/$disk.shadow" >/dev/null 2>&1 || status=$?
	[ "$status" -eq 0 ] || return 0
	shadow check "$image" "$image.before" "$image.after" || exit 1
	echo "$disk" >>/tmp/good
}

do_image() {
	local key
	key=$(attached "$1")
	[ -n "$key" ] || return 0
	wait_for_image
	take_image "$1" "${disk[$key]}" &
	imager=$!
}

wait_for_image() {
	[ -z "$imager" ] || wait "$imager" || fail "step $steps: an image is not what the disk held"
	imager=''
}

step() {
	local name=${names[RANDOM % 3]} key=${keys[RANDOM % 3]}
	[ $((RANDOM % 8)) -ne 0 ] || key=beyond
	[ $((RANDOM % 8)) -ne 0 ] || key=nonsense
	case $((RANDOM % 18)) in
	0 | 1 | 2) do_create "$name" "$key" ;;
	3) do_create_empty "$name" ;;
	4 | 5) do_load "$name" "$key" ;;
	6) do_clear "$name" ;;
	7) do_suspend "$name" ;;
	8 | 9 | 10) do_resume "$name" ;;
	11) do_message "$name" ;;
	12) do_look "$name" ;;
	13) do_rename "$name" ;;
	14) do_remove "$name" ;;
	15 | 16 | 17) do_image "$name" ;;
	esac
}

load_module
start_shadow /dev/vda 2000
first=$shadow
start_shadow /dev/vdb 2000
second=$shadow
steps=0 refusals=0 imager=''
touch /tmp/good
echo "SEED=$seed"
RANDOM=$seed
nr=$(rounds 120 4000)
while [ "$steps" -lt "$nr" ]; do
	step
done
wait_for_image
for name in "${names[@]}"; do
	[ -z "${exists[$name]:-}" ] || do_remove "$name"
done
echo "$steps steps, $refusals refused, $(wc -l </tmp/good) images good"

for name in vda vdb; do
	check dmsetup create "$name" --table "0 $sectors tidemark track /dev/$name 0"
	cleanup dmsetup remove "$name"
	check rawagent image "/dev/mapper/$name" "/dev/$name" "/tmp/$name" full
done
stop_shadow "$first"
stop_shadow "$second"
for name in vda vdb; do
	check rawagent image "/dev/mapper/$name" "/dev/$name" "/tmp/$name"
	same_device "/tmp/$name" "/dev/$name"
done

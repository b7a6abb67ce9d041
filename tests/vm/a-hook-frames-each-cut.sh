#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# An application that appends lines to files on two volumes is paused by a hook for the cut
# alone. The images have each line that was written before before-cut returned, and none that
# was written after after-cut was called. A hook that hangs, and one that is interrupted, end
# the backup with one clear error; the application goes on, and the next backup is exact.
#
# vm: disks=96M,96M,256M,96M,96M mem=768 timeout=400

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

# Nothing is synced: what is in the images has been written out by the freeze.
application() {
	local n=0
	while [ ! -e /run/app/end ]; do
		if [ -e /run/app/pause ]; then
			echo $n >/run/app/paused.new
			mv /run/app/paused.new /run/app/paused
			while [ -e /run/app/pause ]; do sleep 0.05; done
			rm -f /run/app/paused
		fi
		n=$((n + 1))
		echo $n >>/mnt/one/lines
		echo $n >>/mnt/two/lines
	done
}

write_hook() {
	cat >/run/hook <<-'EOS'
		#!/bin/bash
		cd /run/app || exit 1
		echo "$1" >>told
		env | grep -a ^TIDEMARK_ >"env.$1"
		case $1 in
		before-cut)
			touch pause
			until [ -e paused ]; do sleep 0.05; done
			cp paused lines
			ls -l /proc/$$/fd >descriptors
			cut -d ' ' -f 9 /proc/self/stat >flags
			echo "paused at $(cat paused)"
			[ ! -e hang ] || { trap '' TERM; while :; do sleep 1000; done; }
			;;
		after-cut)
			rm -f pause hang
			# It has to write, which waits for the ring to be drained.
			last=$(wc -l </mnt/one/lines)
			until [ "$(wc -l </mnt/one/lines)" -gt $((last + 100)) ]; do sleep 0.05; done
			;;
		esac
	EOS
	chmod 755 /run/hook
}

told() {
	tr '\n' ' ' </run/app/told
	[ "$(tr '\n' ' ' </run/app/told)" = "$1 " ] || fail "was not told: $1"
	rm /run/app/told
}

goes_on() {
	local last
	[ ! -e /run/app/pause ] || fail "the application was left paused"
	last=$(wc -l </mnt/one/lines)
	wait_until 20 has_lines $((last + 50))
}

has_lines() {
	[ -e /mnt/one/lines ] && [ "$(wc -l </mnt/one/lines)" -ge "$1" ]
}

is_paused() {
	[ -e /run/app/paused ] && grep -q before-cut /run/app/told
}

# exact POINT DISK LINES: nothing is missing, and nothing is from later.
exact() {
	check tidemark restore "$1" "$2" --force
	fsck_ext4 "$2"
	check mount -t ext4 "$2" /tmp/replay
	cmp /tmp/replay/lines <(seq "$3") || fail "$2: $(wc -l </tmp/replay/lines) lines, not $3"
	check umount /tmp/replay
}

both_exact() {
	exact "$(json 'points[0].point' <"$1")" /dev/vdd "$(cat /run/app/lines)"
	exact "$(json 'points[1].point' <"$1")" /dev/vde "$(cat /run/app/lines)"
}

mkdir -p /run/app
load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/one
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/two
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check tidemark attach /dev/vda --name one
cleanup tidemark detach one
check tidemark attach /dev/vdb --name two
cleanup tidemark detach two
write_hook
application &
application=$!
cleanup touch /run/app/end
wait_until 20 has_lines 100

tidemark backup one two --hook /run/hook --json >/tmp/backup 2>/tmp/said
cat /tmp/said
grep -q "note: hook before-cut: paused at $(cat /run/app/lines)$" /tmp/said || fail "does not say it"
[ "$(json 'points[1].hook' </tmp/backup)" = true ] || fail "the hook has failed"
told 'before-backup before-cut after-cut after-backup'
grep -qx 'TIDEMARK_VOLUMES=one two' /run/app/env.before-cut
grep -qx 'TIDEMARK_DEVICES=/dev/vda /dev/vdb' /run/app/env.before-cut
grep -qx "TIDEMARK_POINTS=$(jq -r '[.points[].point] | join(" ")' </tmp/backup)" /run/app/env.after-backup
cat /run/app/descriptors
! grep -E 'tidemark|/dev/vd' /run/app/descriptors || fail "the hook has descriptors of ours"
# A program that inherited it would never wait for writes when it needs memory.
[ $(($(cat /run/app/flags) & 0x00080000)) -eq 0 ] || fail "the hook is an I/O flusher"
goes_on
both_exact /tmp/backup

# The other phases have to be done within it, however slow the machine is.
limit=$((3 * SLOW))
touch /run/app/hang
refused 1 "before-cut was not done after $limit.000 s and was ended" \
	tidemark backup one two --hook /run/hook --hook-timeout "${limit}s"
told 'before-backup before-cut after-cut on-failure'
grep -q '^TIDEMARK_REASON=hook /run/hook: before-cut was not done' /run/app/env.on-failure
goes_on

touch /run/app/hang
tidemark backup one two --hook /run/hook >/dev/null 2>/tmp/said &
agent=$!
wait_until 20 is_paused
check kill -TERM "$agent"
status=0
wait "$agent" || status=$?
cat /tmp/said
[ "$status" -eq 1 ] || fail "status $status"
grep -q 'interrupted' /tmp/said || fail "does not say that it was interrupted"
told 'before-backup before-cut after-cut on-failure'
goes_on

check chmod 777 /run/hook
refused 3 'chmod go-w' tidemark backup one two --hook /run/hook
check chmod 755 /run/hook
[ ! -e /run/app/told ] || fail "it was run"
[ "$(tidemark points --json | jq '.points | length')" -eq 2 ] || fail "a point is there"

cd /run
tidemark backup one two --hook hook --json >/tmp/backup
told 'before-backup before-cut after-cut after-backup'
[ "$(json 'points[0].kind' </tmp/backup)" = incremental ] || fail "not incremental"
both_exact /tmp/backup
check touch /run/app/end
wait "$application"
check tidemark verify

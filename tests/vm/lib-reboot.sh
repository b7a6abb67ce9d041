# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# What the tests of saving and resuming share. Sourced after lib.sh. The repository is on
# /dev/vdc, what is saved on /dev/vdd, as the root file system's /var is in a whole system;
# /dev/vde is what points are restored to.

export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

# Once for all boots of a test.
make_keepers() {
	make_ext4 /dev/vdc
	make_ext4 /dev/vdd
	mount_keepers
	check tidemark init "$TIDEMARK_REPOSITORY"
}

mount_keepers() {
	mount_ext4 /dev/vdc /mnt/repository
	mount_ext4 /dev/vdd /var/lib/tidemark
}

# As at the end of a shutdown, when everything is unmounted, and then a reset.
shut_down() {
	check umount /mnt/repository
	check umount /var/lib/tidemark
	reboot_hard
}

# make_volume TYPE DEVICE: with a file of 8 MiB to write in.
make_volume() {
	case $1 in
	ext4) make_ext4 "$2" ;;
	xfs) check mkfs.xfs -q -f --unsupported "$2" ;;
	esac
	mount_volume "$@"
	check dd if=/dev/urandom of=/mnt/data/file bs=1M count=8 conv=fsync status=none
	check umount /mnt/data
}

mount_volume() {
	modprobe "$1" 2>/dev/null || true
	mkdir -p /mnt/data
	check mount -t "$1" "$2" /mnt/data
}

# One block in place: no metadata but the times changes, and no allocation.
write_in_place() {
	check dd if=/dev/urandom of=/mnt/data/file bs=4096 count=1 seek=$((RANDOM % 2048)) \
		conv=notrunc oflag=direct status=none
}

# saved DEVICE, and not_saved DEVICE TEXT: detach --save succeeds and says so.
saved() {
	tidemark detach "$1" --save >/tmp/said || fail "status $? from: detach $1 --save"
	cat /tmp/said
	grep -q 'and saved that' /tmp/said || fail "not saved"
}

not_saved() {
	tidemark detach "$1" --save >/tmp/said || fail "status $? from: detach $1 --save"
	cat /tmp/said
	grep -qF "$2" /tmp/said || fail "does not say '$2'"
}

# resumed DEVICE; rescanned DEVICE TEXT: why.
resumed() {
	tidemark attach "$1" --resume >/tmp/said || fail "status $? from: attach $1 --resume"
	cat /tmp/said
	grep -q '^nothing was written meanwhile: ' /tmp/said || fail "not resumed"
}

rescanned() {
	tidemark attach "$1" --resume >/tmp/said || fail "status $? from: attach $1 --resume"
	cat /tmp/said
	grep -qF "everything has to be read: $2" /tmp/said || fail "does not say '$2'"
}

# backed_up DEVICE full|incremental: and the point is exact. Nothing is mounted.
backed_up() {
	tidemark backup "$1" --json >/tmp/backup || fail "status $? from: backup $1"
	jq -c '{kind, read_bytes, changed_bytes, stored_bytes}' </tmp/backup
	[ "$(json kind </tmp/backup)" = "$2" ] || fail "not $2"
	check tidemark restore "$(json point </tmp/backup)" /dev/vde --force --quiet
	same_device "$1" /dev/vde
}

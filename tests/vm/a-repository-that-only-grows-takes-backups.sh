#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Where root has set the flags that docs/security.md names, backups work, and nothing
# that is there can be removed, changed, given up or hidden, by whatever verb.
#
# vm: disks=256M timeout=120

# shellcheck source=lib.sh
. lib.sh

requires tidemark chattr lsattr
export TIDEMARK_REPOSITORY=/mnt/disk/repository
image=/tmp/image

# Sets $point; its image is kept.
back_up() {
	dd if=/dev/urandom of="$image" bs=64k count=32 seek=$((RANDOM % 96)) conv=notrunc status=none
	tidemark backup "$image" --json >/tmp/backup 2>/tmp/errors || fail "$(</tmp/errors)"
	point=$(json point </tmp/backup)
	cp "$image" "/tmp/copy-$point"
}

# As docs/security.md has it.
protect() {
	mkdir -p doom journal packs/{{0..9},{a..f}}{{0..9},{a..f}}
	chattr +a index journal points packs packs/*
	find config index journal points packs -type f -exec chattr +i {} +
	chattr +i doom
}

# The flags end with the test, or nothing could be put away.
unprotect() {
	chattr -R -ia "$TIDEMARK_REPOSITORY"
}

# The names of all objects but those of sessions, with their content.
objects() {
	find config index points packs -type f -exec sha256sum {} + | sort -k 2
}

all_are_there() {
	objects >/tmp/objects.now
	! grep -vxFf /tmp/objects.now /tmp/objects || fail "these have gone or changed"
	[ "$(tidemark points --json | jq '.points | length')" -eq "$1" ] || fail "there are not $1 points"
	check tidemark verify --quiet
}

# refused_by_store COMMAND...: with one sentence.
refused_by_store() {
	refused 6 'Operation not permitted; run it as a user who may' "$@"
	[ "$(wc -l </tmp/refused)" -eq 1 ] || fail "that is not one sentence"
}

# cannot_be_moved PATH...: nor removed.
cannot_be_moved() {
	local path
	for path; do
		rm -rf "$path" 2>/tmp/refused && fail "$path could be removed"
		grep -q 'Operation not permitted' /tmp/refused || fail "$path: $(</tmp/refused)"
		mv "$path" "$TIDEMARK_REPOSITORY/sessions/x" 2>/dev/null && fail "$path could be moved away"
	done
	return 0
}

directories_without_flag() {
	lsattr -d packs/?? | grep -v '^[^ ]*a' || true
}

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/disk
check tidemark init "$TIDEMARK_REPOSITORY"
cd "$TIDEMARK_REPOSITORY"
cleanup cd /
cleanup unprotect
dd if=/dev/urandom of="$image" bs=1M count=8 status=none

# A directory that a backup makes has no flag: therefore protect() makes them all.
chattr +a index points packs
back_up
first=$point
[ -n "$(directories_without_flag)" ] || fail "a new directory came with the flag"
back_up

# Who may add dooms can give points up, which hides them until the doom is gone.
objects >/tmp/objects
check tidemark forget "$first"
refused_by_store tidemark prune --grace 0
rm doom/*
all_are_there 2

protect
[ -z "$(directories_without_flag)" ] || fail "a directory lacks the flag"
objects >/tmp/objects

# So many that they would merge their indexes, which needs a doom.
for _ in $(seq 10); do
	back_up
done
all_are_there 12
objects >/tmp/objects
[ "$(find packs/* -type d | wc -l)" -eq 256 ] || fail "there are not 256 directories"

cannot_be_moved config points/* index/* packs/??/* index points packs packs/00 doom
for file in config "points/$first"; do
	! echo x 2>/dev/null >>"$file" || fail "$file could be changed"
done
refused_by_store tidemark forget "$first"
refused_by_store tidemark prune --keep-last 1
refused_by_store tidemark prune --keep-last 1 --grace 0
all_are_there 12

for copy in /tmp/copy-*; do
	check tidemark restore "${copy#/tmp/copy-}" /tmp/restored --force --quiet
	check cmp /tmp/restored "$copy"
done
back_up
all_are_there 13

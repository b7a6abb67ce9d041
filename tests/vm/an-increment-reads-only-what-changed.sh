#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# One chunk in a hundred written: at most 1.1 % of the volume is read and stored.
# Nothing written: nothing is. And the points equal the device.
#
# vm: disks=128M,128M,256M mem=768 timeout=240

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

backup() {
	tidemark backup /dev/vda --json "$@" | tee /tmp/backup
}

number() {
	json "$1" </tmp/backup
}

restored_equals_device() {
	tidemark restore "$(number point)" /dev/vdb --force --json >/tmp/restored
	[ "$(json point </tmp/restored)" = "$(number point)" ] || fail "restored another point"
	same_device /dev/vda /dev/vdb
}

load_module
make_ext4 /dev/vdc
mount_ext4 /dev/vdc /mnt/repository
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
check tidemark init "$TIDEMARK_REPOSITORY"
check dd if=/dev/urandom of=/dev/vda bs=1M count=80 status=none
sync
check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda

backup
[ "$(number kind)" = full ] || fail "the first backup is not full"
[ "$(number read_bytes)" -eq "$(disk_bytes /dev/vda)" ] || fail "a full backup reads everything once"
restored_equals_device

# 20 of 2048 chunks: 1 %.
for i in $(seq 0 19); do
	dd if=/dev/urandom of=/dev/vda bs=4096 seek=$((i * 1600 + 3)) count=1 oflag=direct conv=notrunc status=none
done
backup
[ "$(number kind)" = incremental ] || fail "the second backup is not incremental"
limit=$(($(disk_bytes /dev/vda) * 11 / 1000))
[ "$(number read_bytes)" -le "$limit" ] || fail "read $(number read_bytes) bytes, more than $limit"
[ "$(number stored_bytes)" -le "$limit" ] || fail "stored $(number stored_bytes) bytes, more than $limit"
[ "$(number changed_bytes)" -eq $((20 * 65536)) ] || fail "changed $(number changed_bytes) bytes"
restored_equals_device

backup
[ "$(number read_bytes)" -eq 0 ] || fail "read $(number read_bytes) bytes of nothing"
[ "$(number changed_bytes)" -eq 0 ] || fail "changed $(number changed_bytes) bytes"
restored_equals_device
tidemark verify --json >/tmp/verified
[ "$(json points </tmp/verified)" -eq 3 ] || fail "not three points verified"
[ "$(json damaged_objects </tmp/verified)" -eq 0 ] || fail "damage"

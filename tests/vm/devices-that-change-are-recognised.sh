#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Under tidemarkd a disk is pulled and comes back under another name, another one is put in its
# place, a volume grows and shrinks, a partition is moved: each is said, nothing is backed up under
# the name of another one, and what is restored is what was there.
#
# vm: disks=512M,64M,24M,32M:scsi mem=1024 timeout=400

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:tm-disk lvm dmsetup sfdisk
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

# job NAME MEMBER, volume MEMBER: what tidemark status --json says.
job() {
	tidemark status --json | jq -r ".jobs[] | select(.job == \"$1\") | .$2"
}

volume() {
	tidemark status --json | jq -r ".volumes[] | select(.volume == \"streamed\") | .$1"
}

job_is() {
	daemon_is_there
	[ "$(job "$1" state)" = "$2" ]
}

# It looks at its device at once, and not only when its time has come.
look() {
	check tidemark job resume "$1"
}

volume_is() {
	daemon_is_there
	[ "$(volume "$1")" = "$2" ]
}

has_new_point() {
	daemon_is_there
	[ "$(job "$1" points)" != "$2" ] && job_is "$1" waiting
}

is_critical() {
	local status=0
	tidemark status --check >/tmp/check || status=$?
	cat /tmp/check
	[ "$status" -eq 2 ] || fail "status $status"
	grep -qF -- "CRITICAL: $1" /tmp/check || fail "does not say: $1"
}

# back_up NAME: by its job.
back_up() {
	local before
	before=$(job "$1" points)
	check tidemark job run "$1"
	wait_until 60 has_new_point "$1" "$before"
}

# holds POINT DEVICE: the point is what the device, or a copy of it, holds.
holds() {
	check tidemark restore "$1" /tmp/image --force --quiet
	same_device /tmp/image "$2"
}

# id_of NAME: that of its latest point.
id_of() {
	tidemark points --json | jq -r "[.points[] | select(.volume == \"$1\")][-1].volume_id"
}

points_of() {
	tidemark points --json | jq "[.points[] | select(.volume == \"$1\")] | length"
}

scribble() {
	check dd if=/dev/urandom of="$1" bs=64k count=5 seek="$2" oflag=direct conv=notrunc status=none
}

# Every write so far can be had.
journal_holds() {
	local last
	sleep 3
	tidemark log streamed --json >/tmp/log
	last=$(json '.intervals[-1].last_seq' </tmp/log)
	check tidemark restore --seq "$last" /tmp/image --force --quiet
	same_device /tmp/image "$1"
}

load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"

# What the volumes are known by: a file system, a logical volume, a partition.
for node in /dev/sda /dev/vdc; do
	make_ext4 "$node"
	scribble "$node" 64
done
check lvm pvcreate -q /dev/vdb
check lvm vgcreate -q -s 1M group /dev/vdb
cleanup lvm vgchange -q -an group
check lvm lvcreate -q -y -Wn -Zn -l 16 -n plain group
scribble /dev/group/plain 10
test_disk add td0 size=16M
make_ext4 /dev/td0
test_disk add td2 size=32M
echo 'start=2048, size=16384, uuid=6d1e5b4c-0c7e-4a55-9c46-b5a4f1d3a001' |
	check sfdisk -q --label gpt /dev/td2
check blockdev --rereadpt /dev/td2
scribble /dev/td2p1 20
ln -s /dev/sda /dev/first
ln -s /dev/td0 /dev/second
ln -s /dev/td2p1 /dev/third
mkdir -p /etc/tidemark
cat >/etc/tidemark/tidemark.conf <<-EOT
	repository = "$TIDEMARK_REPOSITORY"
	volume pulled { device = /dev/first mode = track }
	volume grown { device = /dev/group/plain mode = track }
	volume moved { device = /dev/third mode = track }
	volume streamed { device = /dev/second rpo = 1s }
EOT
launch_daemon
for name in pulled grown moved; do
	wait_until 120 has_new_point "$name" ""
done
wait_until_protected
holds "$(job pulled points)" /dev/sda
id=$(id_of pulled)

echo "== pulled"
exec 5</dev/sda # its name is not free again
read_media /dev/sda >/tmp/pulled
host=$(readlink -f /sys/block/sda/device/../..)
echo 1 >/sys/block/sda/device/delete
rm /dev/first
look pulled
wait_until 30 job_is pulled away
[ "$(job pulled device_state)" = gone ] || fail "$(tidemark status)"
refused 4 'is not there' tidemark job run pulled
is_critical 'pulled: no backups are made: /dev/first: is not there'
! dmsetup info pulled >/dev/null 2>&1 || fail "it is still attached"
job_is grown waiting && volume_is state streaming
tidemark status

echo "== and back, as another node"
echo '- - -' >"/sys/class/scsi_host/${host##*/}/scan"
wait_until 30 test -b /dev/sdb
exec 5<&-
scribble /dev/sdb 100
ln -s /dev/sdb /dev/first
look pulled
wait_until 30 job_is pulled waiting
back_up pulled
holds "$(job pulled points)" /dev/sdb
[ "$(id_of pulled)" = "$id" ] || fail "$id has become $(id_of pulled)"
[ "$(grep -c '/dev/first: is not there' "$daemon_log")" -eq 1 ] || fail "not said once"
[ "$(grep -c 'attached; what was written before is not known' "$daemon_log")" -eq 1 ] ||
	fail "not said why everything is read"

echo "== replaced"
kept=$(job pulled points)
read_media /dev/sdb >/tmp/pulled
ln -sfn /dev/vdc /dev/first
look pulled
wait_until 30 job_is pulled away
[ "$(job pulled device_state)" = replaced ] || fail "$(tidemark status)"
[[ $(job pulled reason) == */dev/first*"not $id"*"job accept pulled"* ]] || fail "$(job pulled reason)"
refused 4 'is another volume' tidemark job run pulled
is_critical 'pulled: no backups are made: /dev/first: is another volume'
[ "$(points_of pulled)" -eq 2 ] || fail "it was backed up"
refused 4 'has another one in its place' tidemark job accept grown
check tidemark job accept pulled
wait_until 30 job_is pulled waiting
back_up pulled
holds "$(job pulled points)" /dev/vdc
[ "$(id_of pulled)" != "$id" ] || fail "two disks in one chain"
holds "$kept" /tmp/pulled

echo "== grown, and shrunk"
read_media /dev/group/plain >/tmp/plain
old=$(job grown points)
id=$(id_of grown)
check lvm lvextend -q -l 24 group/plain
scribble /dev/group/plain 370
back_up grown
[ "$(tidemark status --json | jq '.attachments[] | select(.name == "grown").volume_bytes')" -eq $((24 << 20)) ] ||
	fail "$(tidemark status)"
holds "$(job grown points)" /dev/group/plain
holds "$old" /tmp/plain
check lvm lvreduce -q -f -l 12 group/plain
back_up grown
holds "$(job grown points)" /dev/group/plain
[ "$(id_of grown)" = "$id" ] || fail "$id has become $(id_of grown)"

echo "== a moved partition"
id=$(id_of moved)
read_media /dev/td2p1 >/tmp/part
test_disk unplug td2
rm /dev/third
look moved
wait_until 30 job_is moved away
test_disk add td3 size=32M
echo 'start=32768, size=16384, uuid=6d1e5b4c-0c7e-4a55-9c46-b5a4f1d3a001' |
	check sfdisk -q --label gpt /dev/td3
check blockdev --rereadpt /dev/td3
check dd if=/tmp/part of=/dev/td3p1 bs=1M oflag=direct status=none
ln -s /dev/td3p1 /dev/third
look moved
wait_until 30 job_is moved waiting
back_up moved
holds "$(job moved points)" /dev/td3p1
[ "$(id_of moved)" = "$id" ] || fail "$id has become $(id_of moved)"

echo "== a streamed one: pulled, back, grown"
read_media /dev/td0 >/tmp/streamed
test_disk unplug td0
rm /dev/second
wait_until 30 volume_is state waiting
[ "$(volume device_state)" = gone ] || fail "$(tidemark status)"
is_critical 'streamed: not protected, '
! dmsetup info streamed >/dev/null 2>&1 || fail "it is still attached"
test_disk add td1 size=16M
check dd if=/tmp/streamed of=/dev/td1 bs=1M oflag=direct status=none
scribble /dev/td1 30
ln -s /dev/td1 /dev/second
wait_until 60 volume_is state streaming
scribble /dev/td1 40
journal_holds /dev/td1
test_disk resize td1 size=24M
wait_until 60 volume_is volume_bytes $((24 << 20))
wait_until 60 volume_is state streaming
scribble /dev/td1 350
journal_holds /dev/td1
[ "$(grep -c '/dev/second: is not there' "$daemon_log")" -eq 1 ] || fail "not said once"

stop_daemon
check tidemark verify
for name in pulled grown moved streamed; do
	check tidemark detach "$name"
done

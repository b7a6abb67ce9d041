#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemarkd backs up a tracked volume and a group on a schedule: at once where it never has been,
# then when the clock says so, what was missed once, and only what was written since. The points
# of a group are of one instant, and come back by its name. Old points go.
#
# vm: disks=32M,16M,16M,512M,16M,16M mem=768 timeout=600

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark dependent
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark

# job NAME MEMBER: what tidemark status --json says of it.
job() {
	tidemark status --json | jq -r ".jobs[] | select(.job == \"$1\") | .$2"
}

points_of() {
	tidemark points --json | jq "[.points[] | select(.volume == \"$1\")] | length"
}

has_points() {
	daemon_is_there
	[ "$(points_of "$1")" -ge "$2" ]
}

job_is() {
	[ "$(job "$1" state)" = "$2" ]
}

# restore_is POINT DEVICE: what the point holds is what the device holds.
restore_is() {
	check tidemark restore "$1" /tmp/image --force --quiet
	same_device /tmp/image "$2"
}

load_module
make_ext4 /dev/vdd
mount_ext4 /dev/vdd /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
for disk in vda vdb vdc; do
	check dd if=/dev/urandom of=/dev/$disk bs=1M count=12 oflag=direct status=none
done
mkdir -p /etc/tidemark
cat >/etc/tidemark/tidemark.conf <<-EOF
	repository = "$TIDEMARK_REPOSITORY"
	volume single { device = /dev/vda mode = track schedule = 1h keep-last = 2 }
	volume first { device = /dev/vdb mode = track }
	volume second { device = /dev/vdc mode = track }
	group pair { volumes = {first, second} schedule = "*:00/30" }
EOF
launch_daemon
wait_until 120 has_points single 1
wait_until 120 has_points first 1
wait_until 120 has_points second 1
wait_until 30 job_is single waiting
wait_until 30 job_is pair waiting
restore_is "$(job single points)" /dev/vda

# The clock goes on by a bit more than an hour: one slot of each was missed, or several.
check dd if=/dev/urandom of=/dev/vda bs=64k count=3 seek=20 oflag=direct conv=notrunc status=none
date -s "@$(($(date +%s) + 4000))" >/dev/null
wait_until 150 has_points single 2
wait_until 150 has_points first 2
wait_until 30 job_is single waiting
[ "$(tidemark points --json | jq '[.points[] | select(.volume == "single")][-1].changed_bytes')" -le $((4 * 65536)) ] ||
	fail "the second backup was no incremental one"
restore_is "$(job single points)" /dev/vda

# One instant for the group: writes that depend on each other, in the order that cuts must keep.
dependent write /dev/vdb /dev/vdc &
writer=$!
cleanup stop_writer_if_running "$writer"
sleep 1
check tidemark job run pair
wait_until 120 has_points first 3
wait_until 30 job_is pair waiting
stop_writer "$writer"
mkdir /tmp/pair
tidemark restore --group pair /tmp/pair --json >/tmp/restored
jq -e '[.restores[] | .state + " " + .volume] == ["complete first", "complete second"]' /tmp/restored
check dependent check /tmp/pair/first.img /tmp/pair/second.img

# By a point of it an older cut, onto devices; where one of them cannot be nothing is written.
older=$(tidemark points --json | jq -r '[.points[] | select(.volume == "first")][1].point')
check cp /tmp/pair/first.img /tmp/untouched
refused 3 'is mounted' tidemark restore --group "pair@$older" first=/tmp/untouched second=/dev/vdd --force
same_device /tmp/untouched /tmp/pair/first.img
check tidemark restore --group "pair@$older" first=/dev/vde second=/dev/vdf --quiet
restore_is "$older" /dev/vde
restore_is "$(tidemark points --json | jq -r '[.points[] | select(.volume == "second")][1].point')" /dev/vdf

# Two points of it are kept.
latest=$(job single points)
check tidemark job run single
keeps_two() {
	[ "$(points_of single)" -eq 2 ] && [ "$(job single points)" != "$latest" ] && job_is single waiting
}
wait_until 120 keeps_two
refused 4 'no job of that name' tidemark job run nobody
check tidemark job pause single
refused 7 'is paused' tidemark job run single

# Ended and started again, it does not begin anew; what is paused stays so.
before=$(points_of first)
stop_daemon
launch_daemon
wait_until 30 job_is single paused
sleep 2
[ "$(points_of first)" -eq "$before" ] || fail "a backup that was not due"
check tidemark job resume single
stop_daemon
check tidemark verify
for name in single first second; do
	check tidemark detach "$name"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# RAID arrays, their members, and both at once, also while an array is synchronised
# for the first time and while a member is rebuilt.
#
# vm: disks=48M,48M,48M,48M,48M mem=1024 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:raid1 module:raid0 mdadm dmsetup rawagent bios same

# create NODE OPTION...
create() {
	check mdadm --create "$1" --run --quiet --homehost=any --metadata=1.2 "${@:2}"
	cleanup mdadm --stop --quiet "$1"
}

sysfs_of() {
	echo "/sys/block/$(basename "$(readlink -f "$1")")"
}

is_idle() {
	[ "$(<"$mirror/md/sync_action")" = idle ]
}

not_idle() {
	! is_idle
}

# speed KIB_PER_S: of synchronising
speed() {
	echo "$1" >"$mirror/md/sync_speed_max"
	echo "$1" >"$mirror/md/sync_speed_min"
}

all_same() {
	local name
	for name; do
		same "${node_of[$name]}" 0 "${sectors_of[$name]}" "/tmp/image.$name" 2>/dev/null || return
	done
}

# The array writes its superblock and its bitmap when it likes, so each try may meet
# such a write. The file system stays frozen: what else was missed differs each time.
exact_but_for_superblocks() {
	local left=8
	sync_and_freeze /mnt/data
	until images "$@" && all_same "$@"; do
		[ $((left -= 1)) -gt 0 ] || exact "$@"
		sleep 1
	done
	thaw /mnt/data
}

load_module
check modprobe -a raid1 raid0
create /dev/md/striped --level=0 --raid-devices=2 --chunk=16 /dev/vda /dev/vdb
create /dev/md/mirror --level=1 --raid-devices=2 --bitmap=internal --delay=1 --size=44M /dev/vdc /dev/vdd
mirror=$(sysfs_of /dev/md/mirror)
echo 0 >"$mirror/md/safe_mode_delay"
speed 200
track striped /dev/md/striped
track mirror /dev/md/mirror

echo "== raid0, its members"
put_in_use /dev/md/striped
track one /dev/vda
track two /dev/vdb
prove_in_use one two
put_out_of_use

echo "== raid1, being synchronised"
put_in_use /dev/md/mirror
track three /dev/vdc
track four /dev/vdd
images three four -- full slow=300
image mirror
exact_when_frozen mirror
images mirror three -- full slow=300
! is_idle || fail "it is synchronised already: nothing was proved"
exact_when_frozen mirror
speed 100000
wait_until 60 is_idle
exact_but_for_superblocks mirror three four
# Behind the array's data: no matter of the array's.
check bios write /dev/vdc $((47 << 20)) 65536
exact_but_for_superblocks mirror three four

echo "== raid1, being rebuilt"
check mdadm --quiet /dev/md/mirror --fail /dev/vdd
wait_until 10 mdadm --quiet /dev/md/mirror --remove /dev/vdd
track five /dev/vde
images five -- full
speed 200
check mdadm --quiet /dev/md/mirror --add /dev/vde
wait_until 10 not_idle
images mirror three -- full slow=300
exact_when_frozen mirror
! is_idle || fail "it is rebuilt already: nothing was proved"
speed 100000
wait_until 60 is_idle
exact_but_for_superblocks mirror three five
for name in mirror three four five; do
	untrack "$name"
done
put_out_of_use

echo "== raid0, above and below"
put_in_use /dev/md/striped
prove_in_use striped one two
untrack one
untrack two
prove_in_use striped
untrack striped
put_out_of_use

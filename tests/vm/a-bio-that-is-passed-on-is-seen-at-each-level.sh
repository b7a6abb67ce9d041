#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# RAID 0 hands the very bio that it got to its members. With array, members and a
# partition attached a write is noted at each level, whether it passes whole or is
# split on its way.
#
# vm: disks=48M,48M mem=768 timeout=180

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-devices.sh
. lib-devices.sh

requires module:dm-tidemark module:raid0 mdadm dmsetup rawagent bios same

# expect ONE TWO: the next increments of the members have so many chunks, that of the
# partition as many as its disk's, and with them all images are exact. The array's
# has everything: for a minute the module cannot know what was on its way there.
expect() {
	images array one two part
	echo "frozen: $(said one frozen), $(said two frozen), partition $(said part frozen)"
	[ "$(said one frozen) $(said two frozen) $(said part frozen)" = "$1 $2 $2" ] || fail "not $*"
	exact array one two part
}

load_module
check sfdisk -q /dev/vdb <<<'1MiB,40MiB'
wait_until 10 test -b /dev/vdb1
check modprobe raid0
array=/dev/md/striped
check mdadm --create "$array" --run --quiet --homehost=any --metadata=1.0 --level=0 \
	--raid-devices=2 --chunk=64 /dev/vda /dev/vdb1
cleanup mdadm --stop --quiet "$array"
track array "$array"
track one /dev/vda
track two /dev/vdb
track part /dev/vdb1
images array one two part -- full

# The array's chunks lie on its members in turn, and are as large as ours.
check bios write "$array" 0 4096
expect 1 0
check bios write "$array" $((64 << 10)) 4096
expect 0 1
check bios write "$array" 0 $((128 << 10))
expect 1 1
check bios write "$array" $((32 << 10)) $((512 << 10))
expect 5 4

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The guest's part of tests/bench/profile: one way to read or write, many times, and the
# kernel's symbols. "bench.way" on the kernel's command line says which.

# shellcheck source=../vm/lib.sh
. lib.sh

way=$(sed -n 's/.*bench.way=\([a-z_]*\).*/\1/p' /proc/cmdline)
op=${way#*_}
test_disk add measured mode=null size=64M poll=1
test_disk add beside mode=null size=64M poll=1
test_disk add memory size=16M poll=1
load_module

attach() {
	dmsetup create "$2" --table "0 $(blockdev --getsz "/dev/$2") tidemark $1 /dev/$2 0"
	cleanup dmsetup remove "$2"
}

start_agent() {
	rawagent "$1" "/dev/mapper/$2" ring=$((64 << 20)) "${@:3}" >/tmp/agent &
	cleanup kill $!
	wait_until 10 grep -q cut /tmp/agent
}

disk=measured
case ${way%_*} in
bare) ;;
other) attach track beside ;;
track) attach track measured ;;
stream)
	attach stream measured
	start_agent drain measured slow=20000
	;;
memory | second)
	disk=memory
	iocost /dev/memory write $((16 << 20)) fill
	[ "${way%_*}" = memory ] || {
		attach track memory
		start_agent hold memory full
		iocost /dev/memory write $((16 << 20)) 0
	}
	;;
*) fail "bench.way=$way?" ;;
esac
cost=$(iocost /dev/$disk "$op" $((16 << 20)) fill 10)
echo "bench $way: $cost instructions"
sed 's/^/sym /' /proc/kallsyms

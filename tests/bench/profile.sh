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
load_module

attach() {
	dmsetup create "$2" --table "0 131072 tidemark $1 /dev/$2 0"
	cleanup dmsetup remove "$2"
}

case ${way%_*} in
bare) ;;
other) attach track beside ;;
track) attach track measured ;;
stream)
	attach stream measured
	rawagent drain /dev/mapper/measured ring=$((64 << 20)) slow=20000 >/tmp/agent &
	agent=$!
	cleanup kill "$agent"
	wait_until 10 grep -q cut /tmp/agent
	;;
*) fail "bench.way=$way?" ;;
esac
cost=$(iocost /dev/measured "$op" $((16 << 20)) fill 10)
echo "bench $way: $cost instructions"
sed 's/^/sym /' /proc/kallsyms

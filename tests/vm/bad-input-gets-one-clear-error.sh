#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Bad input gets one line that names the thing, and the exit status that the
# manual page promises.
#
# vm: disks=64M,64M mem=640 timeout=180

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

# bad STATUS TEXT VERB...: refused, in exactly one line that begins with the command.
bad() {
	local status=$1 text=$2
	shift 2
	refused "$status" "$text" tidemark "$@"
	[ "$(wc -l </tmp/refused)" -eq 1 ] || fail "not one line"
	[[ $(</tmp/refused) == tidemark:* ]] || fail "does not begin with the command's name"
}

make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/repository
repository=/mnt/repository/tidemark
check tidemark init "$repository"

# The command line.
bad 2 'no verb'
bad 2 'fetch: no such verb' fetch
bad 2 '--fast: no such option' --fast
bad 2 '--fast: no such option' backup --fast /dev/vda
bad 2 '-r: needs a value' backup /dev/vda -r
bad 2 'give one' attach
bad 2 'give one' attach /dev/vda /dev/vdb
bad 2 'no repository' backup /dev/vda
bad 2 'no repository' points
bad 2 'a point and a target' restore latest -r "$repository"
bad 2 'give a directory' restore --group db -r "$repository"
bad 2 'goes with none of' restore --group db --at -5min /tmp -r "$repository"
bad 2 'for one volume' restore --group db --range 0-4K /tmp -r "$repository"
bad 2 'power of two' init /tmp/r --chunk-size 60K
bad 2 'must be lz4, none' init /tmp/r --compression gzip
bad 2 'must be lz4, none' init /tmp/r --compression lz4:2
bad 2 'zstd[:1-19]' init /tmp/r --compression zstd:20
bad 2 '--rate fast: is no rate' backup /dev/vda --rate fast
bad 2 '--rate 50: is no rate' backup /dev/vda --rate 50
bad 2 '--cpu-share 50: is no share' backup /dev/vda --cpu-share 50
bad 2 '--io-class realtime: is no I/O class' backup /dev/vda --io-class realtime
bad 2 'power of two' attach /dev/vda --chunk-size 2M
bad 2 'not a number' attach /dev/vda --start x
bad 2 'nothing to protect' attach /dev/vda --sectors 0
bad 2 'not a name' attach /dev/vda --name 'a/b'

# What is not there.
bad 4 '/dev/vdz' attach /dev/vdz
bad 4 'not a block device' attach /etc
bad 4 'vdz' backup vdz -r "$repository"
bad 3 'tidemark attach /dev/vdb' backup /dev/vdb -r "$repository"
bad 2 'give one with --name' backup - -r "$repository"
bad 2 '--name: is empty' backup - --name '' -r "$repository"
bad 4 'not attached' detach /dev/vda
bad 4 '/nowhere' points -r /nowhere
bad 4 '/mnt/repository' points -r /mnt/repository
bad 4 '' restore latest /tmp/image -r "$repository"
bad 4 '' restore 0123456789 /tmp/image -r "$repository"
bad 4 'no cut of a group db' restore --group db /tmp -r "$repository"
[ ! -e /tmp/image ] || fail "a restore of nothing made a file"

# The kernel.
mv /lib/modules /lib/no-modules
bad 6 'dm-tidemark' attach /dev/vda
mv /lib/no-modules /lib/modules
load_module
# Neither a stranger nor the root of a container may.
for namespace in --user --map-root-user; do
	refused 6 'permission denied' unshare "$namespace" tidemark attach /dev/vda
	refused 6 'permission denied' unshare "$namespace" tidemark status
done

# Ranges and names.
sectors=$(blockdev --getsz /dev/vda)
bad 2 'beyond' attach /dev/vda --start "$sectors"
bad 2 'beyond' attach /dev/vda --start 8 --sectors "$sectors"
bad 2 'beyond' attach /dev/vda --start 18446744073709551615 --sectors 2
check dmsetup create taken --table '0 8 zero'
bad 3 'taken' attach /dev/vda --name taken
check dmsetup remove taken

# Twice, and several.
check tidemark attach /dev/vda --name first --start 2048 --sectors 4096
bad 7 'already attached as first' attach /dev/vda --start 2048 --sectors 4096 --name other
check tidemark attach /dev/vda --name second --start 8192
bad 2 'first, second' backup /dev/vda -r "$repository"
bad 2 'first, second' detach /dev/vda
bad 7 'is itself the attachment' attach /dev/mapper/first
check tidemark detach second
check tidemark detach /dev/vda
[ "$(tidemark status)" = 'nothing is attached' ] || fail "$(tidemark status)"

# A repository of another chunk size, one that exists, one in a full directory.
check tidemark attach /dev/vda --chunk-size 4K
bad 2 '--chunk-size 64K' backup /dev/vda -r "$repository"
check tidemark detach /dev/vda
bad 3 "$repository" init "$repository"
mkdir /tmp/full && touch /tmp/full/file
bad 3 '/tmp/full' init /tmp/full

# Tracing switched off: nothing is attached now, so the kernel allows it.
if sysctl -q kernel.ftrace_enabled=0 2>/dev/null || echo 0 >/proc/sys/kernel/ftrace_enabled; then
	bad 6 'ftrace_enabled' attach /dev/vda
	echo 1 >/proc/sys/kernel/ftrace_enabled
fi
check tidemark attach /dev/vda
check tidemark detach /dev/vda

# Help can be found and explains.
for verb in init attach detach backup points restore verify status; do
	tidemark "$verb" --help | grep -q "^Usage: tidemark $verb" || fail "no help for $verb"
done

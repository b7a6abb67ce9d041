#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Errors and delays come when the test disk was told so, and not otherwise.
#
# vm: mem=640 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires module:tm-disk slowest fio

# write_at N: block N of 4 KiB.
write_at() {
	dd if=/dev/zero of=/dev/td0 bs=4k count=1 seek="$1" oflag=direct conv=notrunc 2>/tmp/dd
}

read_at() {
	dd if=/dev/td0 of=/dev/null bs=4k count=1 skip="$1" iflag=direct 2>/tmp/dd
}

slowest_ms() {
	slowest /dev/td0 65536 | sed 's/.*slowest \([0-9]*\) ms/\1/'
}

test_disk add td0 size=1M
write_at 3 || fail "errors unasked for"
read_at 3 || fail "errors unasked for"

test_disk fail td0 op=write first=16 last=31
write_at 1 || fail "a write before the range failed"
! write_at 2 || fail "a write in the range worked"
! write_at 3 || fail "a write in the range worked"
write_at 4 || fail "a write behind the range failed"
read_at 2 || fail "a read failed"
test_disk heal td0
write_at 2 || fail "not healed"

test_disk fail td0 op=read count=2 error=61
! read_at 0 || fail "should have failed"
grep -q 'No data available' /tmp/dd || fail "another error: $(cat /tmp/dd)"
! read_at 9 || fail "should have failed"
read_at 0 || fail "failed more than twice"

test_disk heal td0
test_disk fail td0 op=any ppm=500000
failed=0
for _ in $(seq 100); do
	read_at 1 || failed=$((failed + 1))
done
[ $((failed > 10 && failed < 90)) = 1 ] || fail "$failed of 100 failed"
test_disk heal td0

# A disk is as slow as it is told to be; how fast it is otherwise is nobody's promise.
test_disk set td0 delay_us=60000
[ "$(slowest_ms)" -ge 60 ] || fail "no delay"
test_disk set td0 delay_us=0

test_disk add td1 size=8M mode=null
check dd if=/dev/zero of=/dev/td1 bs=64k count=16 oflag=direct status=none
test_disk fail td1 op=write
! dd if=/dev/zero of=/dev/td1 bs=64k count=1 oflag=direct status=none 2>/dev/null || fail "no error"

# Polled requests are completed by those who poll.
test_disk add td2 size=8M poll=1
check fio --name=polled --filename=/dev/td2 --direct=1 --rw=randwrite --bs=4k --size=1M \
	--ioengine=io_uring --hipri --verify=crc32c --minimal >/tmp/fio
[ "$(test_disk_says td2 polled)" -ge 256 ] || fail "nothing was polled"

# Nonsense is refused.
for line in 'add td9' 'add td9 size=1000' 'add td0 size=1M' 'add td9 size=1M logical=8192' \
	'add td9 size=1M mode=null cache=1' 'add td9 size=1M what=1' 'set td9 seed=1' \
	'set td0 size=1' 'fail td0 first=1' 'resize td0 size=7' 'dance td0' 'remove'; do
	! echo "$line" 2>/dev/null >/sys/kernel/debug/tm-disk/control || fail "took: $line"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Whatever kind of bio a write is, and whether it is split below, comes in through
# a mapped device, or is larger than a record may be: each of its sectors is in the
# stream once, and no other.
#
# vm: disks=128M mem=1280 timeout=240

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-stream.sh
. lib-stream.sh

requires module:dm-tidemark dmsetup rawstream bios

kinds=(write vector huge fua nowait uring uring-nowait polled buffered mapped discard zeroes punch)
mib=$((1 << 20))
wanted=/tmp/wanted
skipped=

# write_by KIND NODE OFFSET LENGTH, and where that is on the disk.
write_by() {
	local kind=$1 node=$2 offset=$3 length=$4 on_disk=$5 status=0
	bios "$kind" "$node" "$offset" "$length" || status=$?
	case $status in
	0) echo "$((on_disk / 512)) $((length / 512)) $kind" >>$wanted ;;
	77) skipped+=" $kind" ;;
	*) fail "status $status from: bios $kind $node" ;;
	esac
}

# Count, for each sector, in how many ranges of the list it is.
coverage() {
	awk '{ for (i = $1; i < $1 + $2; i++) n[i]++ } END { for (i in n) print i, n[i] }' | sort -n
}

load_module
echo 64 >/sys/block/vda/queue/max_sectors_kb
check dmsetup create linear --table "0 65536 linear /dev/vda 65536"
cleanup dmsetup remove linear
check dmsetup create striped --table "0 65536 striped 2 128 /dev/vda 131072 /dev/vda 163840"
cleanup dmsetup remove striped
check dmsetup create volume --table "0 $(blockdev --getsz /dev/vda) tidemark stream /dev/vda 0 2 stall_ms 60000"
cleanup dmsetup remove volume
follow /dev/vda /tmp/stream
wait_until 60 has_said scanned 1

for i in "${!kinds[@]}"; do
	# The kernel refuses to split what must not wait.
	[[ ${kinds[i]} =~ nowait|polled|uring ]] && length=65536 || length=$mib
	write_by "${kinds[i]}" /dev/vda $((i * mib)) "$length" $((i * mib))
	write_by "${kinds[i]}" /dev/mapper/linear $((i * mib)) "$length" $(((32 + i) * mib))
done
# 2 MiB are 32 stripes: one MiB of each half.
write_by write /dev/mapper/striped 0 $((2 * mib)) $((64 * mib))
sed -i '$d' $wanted
echo "$((64 * mib / 512)) 2048 striped" >>$wanted
echo "$((80 * mib / 512)) 2048 striped" >>$wanted
# More than one record holds, by one call.
write_by huge /dev/vda $((100 * mib)) $((6 * mib)) $((100 * mib))
write_by flush /dev/vda 0 0 0
sed -i '$d' $wanted
# One that fails, as it must not wait and would be split: its sectors are told to be read again.
if kernel_older_than 6.1; then
	echo "left out: this kernel splits what must not wait"
else
	timeout 1 bios nowait /dev/vda $((120 * mib)) 131072 && fail "nothing failed: nothing was proved"
fi

stop_following
dmsetup status volume | grep ' gaps 0 '
echo "not here:$skipped"
cat $wanted
rawstream list /tmp/stream >/tmp/list
# What failed does not count: it is told to be read again. Polled writes may be such.
awk '/^rescan/ { again[$2, $3] }
	NR != FNR && /^(write|discard|zeroes)/ && !(($2, $3) in again) { print $2, $3 }' \
	/tmp/list /tmp/list | coverage >/tmp/have
coverage <$wanted >/tmp/want
cmp /tmp/have /tmp/want || {
	grep -E '^(write|discard|zeroes)' /tmp/list
	fail "a sector is missing, or is there twice"
}
grep -q '^flush' /tmp/list
grep -q '^write.*,more ' /tmp/list
grep -qE '^write.*,fua' /tmp/list || echo "no FUA on this disk: flushes instead"
kernel_older_than 6.1 || grep -q "^rescan $((120 * mib / 512)) 256$" /tmp/list
check rawstream replay /tmp/stream /tmp/image
# What a discarded range holds is the disk's affair.
for at in 10 42; do
	dd if=/dev/zero of=/dev/vda bs=1M seek=$at count=1 oflag=direct conv=notrunc status=none
	dd if=/dev/zero of=/tmp/image bs=1M seek=$at count=1 conv=notrunc status=none
done
same_device /tmp/image /dev/vda

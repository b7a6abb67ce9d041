#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# An ext4 under load is put back as it was at each flush that it has asked for. Each time it is,
# sector by sector, what the disk's own record says was there; what was in flight just then may
# be in either state. (bin/witness.c tells how the two recordings are held side by side.)
#
# vm: disks=1G mem=1536 timeout=900 long=10800

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:tm-disk stamper witness
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
boundaries=$(rounds 200 1000)
per_freeze=5 # flushes, about
sectors=16384 clock=16383

flushes() {
	[ "$(test_disk_says td0 flushes)" -ge "$1" ]
}

# What the clock's sector says.
read_clock() {
	dd if=/dev/td0 bs=512 skip="$clock" count=1 iflag=direct status=none |
		od -A n -t u8 -j 8 -N 8 | tr -d ' '
}

clock_is() {
	[ "$(read_clock)" -ge "$1" ]
}

# Two numbers later the clock has one that was asked for while nothing was in flight.
freeze_for_a_moment() {
	local number
	fsfreeze --freeze /mnt/data
	number=$(($(read_clock) + 2))
	wait_until 30 clock_is "$number"
	fsfreeze --unfreeze /mnt/data
	echo "$number" >>/tmp/quiet
}

# judge IMAGE: sets $verdict and the numbers that go with it.
judge() {
	echo "$1" >&"${WITNESS[1]}"
	read -r verdict numbers <&"${WITNESS[0]}"
}

# An image that has the clock of another is found out, whichever is the older one.
witness_tells() {
	local from=$1 to=$2
	cp "$to" /tmp/forged
	dd if="$from" of=/tmp/forged bs=512 skip="$clock" seek="$clock" count=1 conv=notrunc status=none
	judge /tmp/forged
	[ "$verdict" = wrong ] || fail "the witness believes anything: $verdict $numbers"
}

# That the images are those of the flushes, and not of other instants: in front of each flush of
# its own stamper's clock was at a multiple of 32.
flushes_have_their_images() {
	awk '
		{ seen[$6]; first = $6 }
		NR == 1 { last = $6 }
		END {
			for (n = last - last % 32; n > first; n -= 32) {
				nr++
				if (!(n in seen)) { print "no image has clock " n; exit 1 }
			}
			print nr " of the images are of flushes of the clock"
			exit nr < 3
		}' /tmp/verdicts || fail "the images are not of the flushes"
}

echo "SEED=$SEED"
load_module
make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
test_disk add td0 size=8M cache=1 queues=2 window=4 seed="$SEED" log="$(rounds 128 448)M" payload=1
make_ext4 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /dev/td0 7M
# A page that changes while it is written is one thing to who copies it first, and another to
# who does so later. The file system writes it again; but that comes behind a flush, maybe.
echo 1 >/sys/block/td0/queue/stable_writes
mount_ext4 /dev/td0 /mnt/data
check mount -o remount,discard /mnt/data
configure "$TIDEMARK_REPOSITORY" data /dev/td0 'rpo = 2s' 'points = 10s' 'scan-rate = 4M'
: >/tmp/quiet
cleanup thaw_if_frozen /mnt/data
stamper /dev/td0 "$clock" /mnt/data "$SEED" &
stamper=$!
cleanup stop_writer_if_running "$stamper"
start_daemon
first=$(test_disk_says td0 flushes)
for round in $(seq $((boundaries / per_freeze + 1))); do
	wait_until 60 flushes $((first + round * per_freeze))
	freeze_for_a_moment
done
stop_writer "$stamper"
check umount /mnt/data
stop_daemon
check dmsetup remove data
[ "$(test_disk_says td0 log_dropped)" -eq 0 ] || fail "the disk's log is too small"
grep -E 'writes|flushes|fua|log' /sys/kernel/debug/tm-disk/td0/status
cp /sys/kernel/debug/tm-disk/td0/log /tmp/recording
tidemark log data --json >/tmp/history
[ "$(json '.intervals | length' </tmp/history)" -eq 1 ] || fail "$(</tmp/history)"
seq=$(json '.intervals[0].last_seq' </tmp/history)

# From the last one to the first.
coproc WITNESS { witness /tmp/recording "$sectors" "$clock" /tmp/quiet; }
compared=0 exact=0
while [ "$compared" -lt "$boundaries" ] || [ -n "$LONG" ]; do
	tidemark restore --seq "$seq" --before-flush /tmp/image --force --json \
		>/tmp/restored 2>/tmp/errors || break
	seq=$(sed -n 's/.*"seq": *\([0-9]*\).*/\1/p' /tmp/restored)
	judge /tmp/image
	[ "$verdict" = good ] || fail "before the flush behind $seq: $verdict $numbers"
	compared=$((compared + 1))
	[ "${numbers#* }" != "0 0" ] || exact=$((exact + 1))
	echo "before the flush behind $seq: $numbers" >>/tmp/verdicts
	[ $((compared % 40)) -ne 1 ] || cp /tmp/image /tmp/other
	[ $((compared % 40)) -eq 0 ] || continue
	witness_tells /tmp/image /tmp/other
	witness_tells /tmp/other /tmp/image
done
[ "$compared" -ge "$boundaries" ] || fail "only $compared boundaries could be had: $(</tmp/errors)"
[ -z "$LONG" ] || grep -q 'there is no flush' /tmp/errors || fail "$(</tmp/errors)"
tail -n 5 /tmp/verdicts
flushes_have_their_images
awk -v exact="$exact" '
	{ newer += $7 }
	$8 > ahead { ahead = $8 }
	END { print NR " flushes; with nothing in flight: " exact "; sectors that were: " newer + 0 \
		", at most " ahead + 0 " records ahead of the clock" }' /tmp/verdicts

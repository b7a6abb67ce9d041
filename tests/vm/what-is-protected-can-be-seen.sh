#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What tidemarkd does for a volume is seen by people, by monitoring and by Prometheus: while it is
# protected, while its repository fails, and when that is over; and nothing is left to be seen,
# but by the check, when tidemarkd has ended.
#
# vm: disks=32M mem=768 timeout=300

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark module:tm-disk
export TIDEMARK_REPOSITORY=/mnt/repository/tidemark
url=http://127.0.0.1:9735/metrics
file=/run/tidemark-metrics/tidemark.prom

# checked STATUS TEXT: the check ends so, and says that.
checked() {
	local status=0
	tidemark status --check >/tmp/check || status=$?
	[ "$status" -eq "$1" ] && grep -qF -- "$2" /tmp/check
}

is_checked() {
	wait_until 60 checked "$@" || fail "not $1, $2: $(</tmp/check)"
	cat /tmp/check
}

# metric NAME [LABEL]: its value over HTTP; nothing where it has none.
metric() {
	wget -q -O - "$url" >/tmp/metrics || fail "$url"
	sed -n "s/^$1{volume=\"data\"${2:+,$2}} //p" /tmp/metrics
}

metric_is() {
	[ "$(metric "$1" "${3:-}")" = "$2" ]
}

write_blocks() {
	check dd if=/dev/urandom of=/dev/vda bs=4k count="$1" oflag=direct conv=notrunc status=none
}

records_beyond() {
	[ "$(metric tidemark_journal_durable_records_total)" -ge "$1" ]
}

is_behind() {
	dmsetup status data | grep -q 'stream behind'
}

# The file is written every 15 s.
file_says() {
	grep -qF -- "$1" "$file"
}

ip link set lo up
load_module
test_disk add td0 size=160M cache=1
make_ext4 /dev/td0
mount_ext4 /dev/td0 /mnt/repository
check tidemark init "$TIDEMARK_REPOSITORY"
mkdir -p "${file%/*}"
configure "$TIDEMARK_REPOSITORY" data /dev/vda 'rpo = 1s' 'points = 10s'
cat >>/etc/tidemark/tidemark.conf <<-EOT
	metrics-file = "$file"
	metrics-listen = "127.0.0.1:9735"
EOT

# There is a config, and nobody to heed it.
is_checked 2 'CRITICAL: tidemarkd: does not run'
start_daemon

# Protected: each way says so.
is_checked 0 'OK: 1 of 1 volumes protected, 1 devices attached'
tidemark status
tidemark status | grep -qE '^data +/dev/vda +streaming '
wait_until 30 metric_is tidemark_state 1 'state="streaming"'
metric_is tidemark_device_state 1 'state="ok"' || fail "$(</tmp/metrics)"
metric_is tidemark_rpo_seconds 1.000 || fail "$(</tmp/metrics)"
metric_is tidemark_volume_bytes 33554432 || fail "$(</tmp/metrics)"
[ -n "$(metric tidemark_protected_since_timestamp_seconds)" ] || fail "$(</tmp/metrics)"
[ -z "$(metric tidemark_failing_since_timestamp_seconds)" ] || fail "$(</tmp/metrics)"
wait_until 30 file_says 'tidemark_state{volume="data",state="streaming"} 1'

# Its records are counted, and soon durable; then nothing lags.
seq=$(metric tidemark_journal_records_total)
write_blocks 100
wait_until 30 records_beyond "$((seq + 100))"
wait_until 30 metric_is tidemark_lag_seconds 0.000
[ "$(metric tidemark_streamed_bytes_total)" -ge 409600 ] || fail "$(</tmp/metrics)"
wait_until 60 test -n "$(metric tidemark_point_timestamp_seconds)"
[ "$(protected stalls)" = "$(metric tidemark_stalls_total)" ] || fail "stalls"
! wget -q -O - "${url%/metrics}/" 2>/dev/null || fail "something else is served"

# The repository fails, while there is something to keep.
test_disk power_cut td0
write_blocks 100
is_checked 2 'CRITICAL: data: not protected, failing for '
is_checked 2 'Read-only file system' # what ext4 comes to at the end
tidemark status
tidemark status | grep -q '^  data: failing for .*; can be had until ' || fail "the table"
[ -n "$(metric tidemark_failing_since_timestamp_seconds)" ] || fail "$(</tmp/metrics)"
metric_is tidemark_state 0 'state="streaming"' || fail "$(</tmp/metrics)"
[ -z "$(metric tidemark_protected_since_timestamp_seconds)" ] || fail "$(</tmp/metrics)"
[ "$(metric tidemark_lag_seconds)" != 0.000 ] || fail "no lag"
[ "$(metric tidemark_dirty_bytes)" -gt 0 ] || fail "nothing is dirty"
wait_until 30 file_says 'tidemark_state{volume="data",state="streaming"} 0'

# It is there again.
wait_until 60 umount /mnt/repository
test_disk power_on td0
check mount -t ext4 /dev/td0 /mnt/repository
wait_until 120 checked 0 'OK: 1 of 1 volumes protected' || fail "$(</tmp/check)"
metric_is tidemark_state 1 'state="streaming"' || fail "$(</tmp/metrics)"
wait_until 30 metric_is tidemark_lag_seconds 0.000
wait_until 30 file_says 'tidemark_state{volume="data",state="streaming"} 1'

# More than the ring holds while nobody empties it: a writer waits once, and there is a gap.
metric_is tidemark_gaps_total 0 || fail "$(</tmp/metrics)"
metric_is tidemark_stalls_total 0 || fail "$(</tmp/metrics)"
kill -STOP "$daemon"
write_blocks 5000
wait_until 30 is_behind
kill -CONT "$daemon"
wait_until 120 checked 1 'WARNING: data: a gap since '
[ "$(metric tidemark_gaps_total)" -ge 1 ] || fail "$(</tmp/metrics)"
[ "$(metric tidemark_stalls_total)" -ge 1 ] || fail "$(</tmp/metrics)"

# At its end nothing stays that nobody keeps up to date.
stop_daemon
[ ! -e "$file" ] || fail "the file stays"
! wget -q -O - "$url" 2>/dev/null || fail "somebody answers"
is_checked 2 'CRITICAL: tidemarkd: does not run'
check rm /etc/tidemark/tidemark.conf
is_checked 0 'OK: 0 of 0 volumes protected, 1 devices attached'
check dmsetup remove data

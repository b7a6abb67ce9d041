#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The units for a schedule without a daemon, under systemd: the backup's timer attaches the
# device, its service makes points, the prune's service lets those go that no rule of
# /etc/default/tidemark keeps, and its timer starts it.
#
# vm: system=debian disks=64M,256M mem=1024 timeout=600

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark
export TIDEMARK_REPOSITORY=/mnt/backup/tidemark
backup=tidemark-backup@$(systemd-escape --path /dev/vda)
attach=tidemark-attach@$(systemd-escape --path /dev/vda).service

nr_points() {
	tidemark points --json | jq '.points | length'
}

# start_backup TEXT: a point of what is on the device then.
start_backup() {
	echo "$1" >/mnt/data/note
	check systemctl start "$backup.service"
}

is_waiting() {
	check systemctl is-enabled "$1"
	check systemctl is-active "$1"
	[ -n "$(systemctl show -P NextElapseUSecRealtime "$1")" ] || fail "$1 will not elapse"
	systemctl list-timers --no-pager | grep -F "$1" || fail "$1 is not listed"
}

# As the head of the unit has it. Nobody waits for Sunday night.
change_schedule() {
	mkdir -p "/etc/systemd/system/$1.d"
	cat >"/etc/systemd/system/$1.d/override.conf" <<-EOF
		[Timer]
		OnCalendar=
		OnCalendar=$2
		RandomizedDelaySec=0
	EOF
	check systemctl daemon-reload
	check systemctl restart "$1"
}

has_points() {
	[ "$(nr_points)" -eq "$1" ]
}

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt/data
make_ext4 /dev/vdb
mount_ext4 /dev/vdb /mnt/backup
check tidemark init "$TIDEMARK_REPOSITORY"
cat >/etc/default/tidemark <<EOF
TIDEMARK_REPOSITORY=$TIDEMARK_REPOSITORY
TIDEMARK_KEEP="--keep-last 2 --keep-tag kept"
EOF

check systemctl enable --now "$backup.timer"
wait_until 60 systemctl -q is-active "$attach"
for note in one two three four; do
	start_backup "$note"
done
has_points 4 || fail "$(tidemark points)"
tidemark points --json >/tmp/points
[ "$(jq -r '.points[-1].kind' /tmp/points)" = incremental ] || fail "no increment: $(</tmp/points)"

check systemctl start tidemark-prune.service
[ "$(systemctl show -P Result tidemark-prune.service)" = success ] || fail "the prune has failed"
has_points 2 || fail "not what the rules keep: $(tidemark points)"

check systemctl enable --now tidemark-prune.timer
is_waiting "$backup.timer"
is_waiting tidemark-prune.timer
start_backup five
has_points 3 || fail "$(tidemark points)"
change_schedule tidemark-prune.timer '*:*:0/5'
wait_until 120 has_points 2
check systemctl stop tidemark-prune.timer

check tidemark restore latest /root/image --quiet
check mount -o loop /root/image /srv
check grep -x five /srv/note
check umount /srv
check systemctl stop "$backup.timer" "$attach"
[ "$(tidemark status --json | jq '.attachments | length')" -eq 0 ] || fail "it is still attached"
[ "$(systemctl is-system-running)" = running ] || fail "$(systemctl --failed)"

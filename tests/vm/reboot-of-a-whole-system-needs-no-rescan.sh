#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# tidemark-attach@ enabled in a Debian, for a volume that is mounted by /etc/fstab: systemd
# saves behind the unmount and resumes in front of the mount, and the backup of the next boot
# reads only what was written. After a reset it reads everything.
#
# vm: system=debian disks=64M,256M mem=1024 timeout=900

# shellcheck source=lib.sh
. lib.sh

unit=tidemark-attach@dev-vda.service
export TIDEMARK_REPOSITORY=/srv/repository/tidemark

set_up() {
	# Its first backup comes sooner behind the attaching than a user's would.
	echo 'options dm-tidemark settle_ms=0' >/etc/modprobe.d/tidemark.conf
	make_ext4 -L data /dev/vda
	make_ext4 -L repository /dev/vdb
	mkdir -p /srv/data /srv/repository
	printf 'LABEL=data /srv/data ext4 defaults 0 2\nLABEL=repository /srv/repository ext4 defaults 0 2\n' \
		>>/etc/fstab
	check systemctl daemon-reload
	check systemctl start srv-data.mount srv-repository.mount
	check tidemark init "$TIDEMARK_REPOSITORY"
	check dd if=/dev/urandom of=/srv/data/much bs=1M count=20 conv=fsync status=none
	check systemctl enable --now "$unit"
}

# began_with TEXT: in this boot.
began_with() {
	journalctl -b -u "$unit" -o cat >/tmp/journal
	cat /tmp/journal
	grep -qF "$1" /tmp/journal || fail "does not say '$1'"
}

backed_up() {
	sync_and_freeze /srv/data
	tidemark backup /dev/vda --no-freeze --json >/tmp/backup
	jq -c '{kind, read_bytes, changed_bytes}' </tmp/backup
	[ "$(json kind </tmp/backup)" = "$1" ] || fail "not $1"
	check tidemark restore "$(json point </tmp/backup)" /srv/repository/image --force --quiet
	same_device /dev/vda /srv/repository/image
	thaw /srv/data
}

case $STAGE in
1)
	set_up
	began_with 'everything has to be read'
	backed_up full
	check dd if=/dev/urandom of=/srv/data/little bs=64K count=3 conv=fsync status=none
	reboot_clean
	;;
2)
	began_with 'nothing was written meanwhile'
	backed_up incremental
	[ "$(json read_bytes </tmp/backup)" -lt $((16 * 1024 * 1024)) ] || fail "read too much"
	[ "$(systemctl is-system-running)" = running ] || fail "$(systemctl --failed)"
	reboot_hard
	;;
3)
	began_with 'everything has to be read: nothing was saved of it'
	backed_up full
	;;
esac

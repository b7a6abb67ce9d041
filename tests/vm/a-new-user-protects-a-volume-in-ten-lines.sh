#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A clean Debian 12, the product, a config of ten lines, "systemctl enable --now tidemarkd":
# the volume is protected, in the sandbox of the unit, and again after a restart and a reboot.
#
# vm: system=debian disks=128M,512M mem=1024 timeout=900

# shellcheck source=lib.sh
. lib.sh
# shellcheck source=lib-daemon.sh
. lib-daemon.sh

requires tidemarkd module:dm-tidemark
export TIDEMARK_REPOSITORY=/mnt/backup/tidemark

write_config() {
	mkdir -p /etc/tidemark
	cat >/etc/tidemark/tidemark.conf <<-EOF
		# What tidemarkd protects.
		repository = "$TIDEMARK_REPOSITORY"

		volume data {
		    device = "/dev/vda"
		    rpo = $1
		    points = 30s
		    keep-journal = 7d
		}
	EOF
	[ "$(wc -l </etc/tidemark/tidemark.conf)" -le 10 ] || fail "that is more than ten lines"
}

is_protected() {
	[ "$(protected state)" = streaming ]
}

# is_durable TIME_MS: what was written until then can be had.
is_durable() {
	[ "$(protected durable_ms)" -gt "$1" ]
}

# journal_has TEXT [OPTION]...: the daemon has said so.
journal_has() {
	journalctl -u tidemarkd -o cat "${@:2}" | grep -F -- "$1" >/dev/null
}

# The disks are in fstab, as a server has them.
set_up_disks() {
	make_ext4 -L data /dev/vda
	make_ext4 -L backup /dev/vdb
	mkdir -p /mnt/data /mnt/backup
	printf 'LABEL=%s /mnt/%s ext4 defaults 0 2\n' data data backup backup >>/etc/fstab
	check systemctl daemon-reload
	check mount -a
}

# By hand it says on the terminal what is wrong, although a service has started the shell.
make_a_mistake() {
	write_config 'a while'
	refused 2 'rpo' tidemarkd --check
}

# systemd has nothing to say of any unit, templates included.
verify_units() {
	systemd-analyze verify --man=no /usr/local/lib/systemd/system/tidemark*.{service,timer} \
		>/tmp/verify 2>&1 || fail "$(</tmp/verify)"
	[ ! -s /tmp/verify ] || fail "$(</tmp/verify)"
}

has_point() {
	[ -n "$(protected point)" ]
}

systemd_knows() {
	[ "$(systemctl show -P StatusText tidemarkd)" = "$1" ]
}

look_at_service() {
	check systemctl status --no-pager tidemarkd
	wait_until 60 systemd_knows '1 of 1 volumes protected'
	journal_has 'protected: every write is kept' TIDEMARK_VOLUME=data PRIORITY=6 ||
		fail "not in the journal with its fields: $(journalctl -u tidemarkd -o verbose)"
}

# The tree as it was at an instant, although it is gone from the live volume.
restore_an_instant() {
	local moment
	start_writer /mnt/data/tree
	wait_for_synced 30
	stop_writer "$writer"
	sync -f /mnt/data
	sleep 1
	moment=$(date +%s.%N)
	sleep 1
	check rm -r /mnt/data/tree
	sync -f /mnt/data
	wait_until 60 is_durable "$(date +%s%3N)"
	check tidemark restore --at "@$moment" --volume data /root/image --quiet
	verify_image /root/image
}

verify_image() {
	check mount -o loop "$1" /srv
	check ckverify /srv/tree "$writer_log"
	check umount /srv
	rm "$1"
}

change_and_reload() {
	local pid
	pid=$(systemctl show -P MainPID tidemarkd)
	write_config 2s
	check systemctl reload tidemarkd
	wait_until 60 journal_has 'has been read anew'
	[ "$(protected rpo_ms)" -eq 2000 ] || fail "it goes on with the old config"
	wait_until 120 is_protected
	[ "$(systemctl show -P MainPID tidemarkd)" = "$pid" ] || fail "reload has restarted it"
}

restart() {
	check systemctl restart tidemarkd
	wait_until 120 is_protected
	[ "$(journalctl -u tidemarkd -o cat | grep -c 'reads everything')" -le 1 ] ||
		fail "a restart reads everything"
}

mark_and_reboot() {
	echo 'before the reboot' >/mnt/data/note
	sync -f /mnt/data
	check tidemark mark data 'before the reboot'
	reboot_clean
}

# Nobody has started anything.
look_after_reboot() {
	check systemctl is-active tidemarkd
	wait_until 300 is_protected
	! journal_has 'Failed with result' --boot=-1 || fail "it did not end well"
	echo 'after the reboot' >/mnt/data/note
	sync -f /mnt/data
	check tidemark mark data 'after the reboot'
	for mark in before after; do
		check tidemark restore --mark "$mark the reboot" --volume data /root/image --force --quiet
		check mount -o loop /root/image /srv
		check grep -x "$mark the reboot" /srv/note
		check umount /srv
	done
	wait_until 120 has_point
	check systemctl stop tidemarkd
	[ "$(systemctl show -P Result tidemarkd)" = success ] || fail "it did not end well"
	[ "$(systemctl is-system-running)" = running ] || fail "$(systemctl --failed)"
	check tidemark verify
}

if [ "$STAGE" -eq 1 ]; then
	set_up_disks
	verify_units
	check tidemark init "$TIDEMARK_REPOSITORY"
	make_a_mistake
	write_config 5s
	check systemctl enable --now tidemarkd
	wait_until 300 is_protected
	look_at_service
	restore_an_instant
	change_and_reload
	restart
	mark_and_reboot
fi
look_after_reboot

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# Volumes that tidemarkd protects. Sourced after lib.sh.

daemon_log=/tmp/tidemarkd.log daemon=

# configure REPOSITORY NAME DEVICE [LINE]...: one volume; lines are settings of it.
configure() {
	mkdir -p /etc/tidemark
	{
		echo "repository = \"$1\""
		echo "volume \"$2\" {"
		echo "device = \"$3\""
		printf '%s\n' "${@:4}"
		echo "}"
	} >/etc/tidemark/tidemark.conf
}

# Start it and wait until all that it is to protect is protected.
start_daemon() {
	launch_daemon
	wait_until_protected
}

launch_daemon() {
	: >"$daemon_log"
	[ -n "$daemon" ] || cleanup stop_daemon_if_running
	tidemarkd "$@" 2>>"$daemon_log" &
	daemon=$!
}

# wait_until_protected [TIMES]: since it was launched.
wait_until_protected() {
	wait_until 120 daemon_has_said 'protected: every write is kept' "${1:-1}"
}

daemon_is_there() {
	kill -0 "$daemon" 2>/dev/null || fail "tidemarkd has ended: $(<"$daemon_log")"
}

# daemon_has_said TEXT [TIMES]
daemon_has_said() {
	daemon_is_there
	[ "$(grep -cF -- "$1" "$daemon_log")" -ge "${2:-1}" ]
}

stop_daemon() {
	kill -TERM "$daemon"
	wait "$daemon" || fail "tidemarkd: status $?: $(<"$daemon_log")"
	cat "$daemon_log"
}

kill_daemon() {
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
}

stop_daemon_if_running() {
	! kill -TERM "$daemon" 2>/dev/null || { cat "$daemon_log" && wait "$daemon"; }
}

# ------------------------------------------------- under a keeper of descriptors

keeper_pid=/tmp/tidemarkd.pid keeper=

# As launch_daemon, under fdkeeper.
launch_kept_daemon() {
	: >"$daemon_log"
	cleanup stop_keeper_if_running
	fdkeeper /tmp/tidemarkd.notify "$keeper_pid" tidemarkd 2>>"$daemon_log" &
	keeper=$!
	find_kept_daemon
}

find_kept_daemon() {
	wait_until 20 test -e "$keeper_pid"
	daemon=$(<"$keeper_pid")
}

# end_kept_daemon SIGNAL: and wait for its end. What it had said is in $daemon_log.old.
end_kept_daemon() {
	kill "-$1" "$daemon"
	wait_until 60 test ! -e "$keeper_pid"
	cp "$daemon_log" "$daemon_log.old"
}

run_kept_daemon() {
	: >"$daemon_log"
	kill -USR1 "$keeper"
	find_kept_daemon
}

stop_keeper() {
	kill -TERM "$keeper"
	wait "$keeper" || fail "tidemarkd: status $?: $(<"$daemon_log")"
	keeper=
	cat "$daemon_log"
}

stop_keeper_if_running() {
	[ -z "$keeper" ] || { cat "$daemon_log" && kill -TERM "$keeper" && wait "$keeper"; }
}

# protected WORD: what tidemark status --json says of the only volume.
protected() {
	tidemark status --json | jq -r ".volumes[0].$1"
}

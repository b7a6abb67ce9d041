# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# An agent that keeps the stream of the attachment "volume". Sourced after lib.sh.

# follow NODE DIRECTORY [OPTION]...: keep the stream of NODE's writes in a new directory.
follow() {
	mkdir "$2"
	rawstream follow /dev/mapper/volume "$1" "$2" "${@:3}" >/tmp/said &
	follower=$!
	cleanup stop_writer_if_running "$follower"
}

# has_said scanned 2: the follower has said that word so often.
has_said() {
	[ "$(grep -c "^$1 " /tmp/said)" -ge "$2" ]
}

stop_following() {
	kill -TERM "$follower"
	wait "$follower"
	cat /tmp/said
}

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
# shellcheck shell=bash
#
# Packages of Debian's suites that this machine need not use: from the mirror that
# it uses, with lists and a state of our own in the cache. Its own sources and what
# is installed are neither read nor changed. Sourced after host.sh, never run.
#
# A suite below is what an administrator of that Debian has: bullseye stands for
# bullseye with its security updates.

: "${cache_dir:?}"

# Where label $1 (Debian, Debian-Security) is to be had.
mirror() {
	local uri
	# shellcheck disable=SC2016 # apt's variables
	uri=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n "s/^$1 //p" | head -n 1)
	case $1 in
	Debian) echo "${uri:-http://deb.debian.org/debian}" ;;
	Debian-Security) echo "${uri:-http://deb.debian.org/debian-security}" ;;
	esac
}

suite_sources() {
	local key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
	echo "deb $key $(mirror Debian) $1 main"
	case $1 in
	sid | *-backports) ;;
	*) echo "deb $key $(mirror Debian-Security) $1-security main" ;;
	esac
}

# suite_apt SUITE apt-get|apt-cache ARGUMENT...
suite_apt() {
	local state=$cache_dir/apt/$1 program=$2
	shift 2
	"$program" -q -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$state" -o Dir::State::status=/dev/null -o Dir::Cache="$state" \
		-o APT::Sandbox::User=root -o APT::Architecture=amd64 "$@"
}

# Lists are good for a day, and for longer where the mirror cannot be reached.
suite_update() {
	local state=$cache_dir/apt/$1
	[ -z "$(find "$state/updated" -mmin -1440 2>/dev/null)" ] || return 0
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	suite_sources "$1" >"$state/sources.list"
	if suite_apt "$1" apt-get -qq -o APT::Update::Error-Mode=any update >&2; then
		touch "$state/updated"
	else
		[ -e "$state/updated" ] || die "cannot get the lists of Debian's $1"
		echo "${0##*/}: using old lists of Debian's $1" >&2
	fi
}

# The ABI name (6.1.0-56-amd64) of the suite's kernel. It changes with every
# security update, so nothing may spell it out.
suite_abi() {
	suite_apt "$1" apt-cache depends linux-image-amd64 |
		sed -n 's/^ *Depends: linux-image-\([0-9][^ ]*\)$/\1/p' | head -n 1
}

# The version of package $2 that apt would take from suite $1.
suite_version() {
	suite_apt "$1" apt-cache policy "$2" | sed -n 's/^ *Candidate: //p'
}

# Package $2 and those that it was split into: newer kernels' linux-image only
# depends on linux-binary, linux-modules and linux-base.
suite_parts() {
	echo "$2"
	suite_apt "$1" apt-cache depends "$2" |
		sed -nE 's/^ *Depends: (linux-(base|binary|modules|headers|kbuild)-[0-9][^ ]*)$/\1/p'
}

# Unpack packages $3... of suite $1 below directory $2.
suite_unpack() {
	local suite=$1 root=$2 file
	shift 2
	echo "fetching Debian's $*" >&2
	mkdir "$root/deb"
	(cd "$root/deb" && suite_apt "$suite" apt-get -qq download "$@" >&2) || return 1
	for file in "$root"/deb/*.deb; do
		dpkg -x "$file" "$root" || return 1
	done
	rm -rf "$root/deb"
}

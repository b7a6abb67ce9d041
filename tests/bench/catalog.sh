#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The catalog beside borg (fixed chunks of 64 KiB, lz4, no encryption) and restic, as Debian
# has them, in turn on the same images (see images) from a warm page cache: full backup,
# 1 % changed, 20 % changed, restore, verify with data. A table, and a last line of ratios.
#
# CPU seconds are user and system time of a whole process tree; elapsed time counts only
# for full_vs_*, their ratio of throughput. Each version comes under the same path, with
# another inode, so that nobody can tell from outside that little has changed:
#
#	inc1	only the blocks known to have changed are read, as with the kernel module
#	rescan	1 % changed, everything is read, as borg and restic do
#	verify	every byte of the repository, per GiB of what the three versions hold together:
#		v1, and what was replaced for v2 and v3
#
#	SIZE=4G		of the image
#	WORK=/var/tmp	where the repositories lie meanwhile

set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../vm/host.sh
. ../vm/host.sh

size=$(numfmt --from=iec "${SIZE:-4G}")
images=$(./images "$size")
tidemark=$build_dir/tidemark
changed=$build_dir/bench/changed
work=$(mktemp -d "${WORK:-/var/tmp}/tidemark-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

export BORG_BASE_DIR=$work/borg-home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/restic-cache
export TIDEMARK_REPOSITORY=$work/tidemark
borg=$work/borg restic=$work/restic

calc() {
	LC_ALL=C awk "BEGIN { printf \"%.${2:-3}f\", $1 }"
}

# measure NAME COMMAND...: sets cpu[NAME], wall[NAME] and, in MiB, rss[NAME].
declare -A cpu wall rss bytes
measure() {
	local name=$1 user system elapsed resident
	shift
	cat "$work/disk" >/dev/null
	/usr/bin/time -q -o "$work/time" -f '%U %S %e %M' "$@" >"$work/output" 2>&1 </dev/null || {
		cat "$work/output" >&2
		die "$name: failed"
	}
	read -r user system elapsed resident <"$work/time"
	cpu[$name]=$(calc "$user + $system" 2)
	wall[$name]=$elapsed
	rss[$name]=$(calc "$resident / 1024" 0)
	printf 'bench %-16s wall %7.2f s  cpu %7.2f s  rss %4d MiB\n' "$name" "$elapsed" \
		"${cpu[$name]}" "${rss[$name]}"
}

# What a version adds to a repository: added NAME DIRECTORY
declare -A before
added() {
	local now
	now=$(du -s --apparent-size -B1 "$2" | cut -f 1)
	bytes[$1]=$((now - ${before[$2]:-0}))
	before[$2]=$now
	echo "bench $1 added $((bytes[$1] / 1000000)) MB"
}

show() {
	ln -f "$images/$1" "$work/disk" 2>/dev/null || {
		rm -f "$work/disk"
		cp "$images/$1" "$work/disk"
	}
}

borg_create() {
	measure "borg_$1" borg create -C lz4 --chunker-params fixed,65536 "$borg::$2" "$work/disk"
	added "borg_$1" "$borg"
}

restic_backup() {
	measure "restic_$1" restic -q -r "$restic" backup "$work/disk"
	added "restic_$1" "$restic"
}

tidemark_backup() {
	measure "tidemark_$1" "$tidemark" backup --quiet "$work/disk"
	added "tidemark_$1" "$TIDEMARK_REPOSITORY"
}

same() {
	cmp "$work/disk" "$1" || die "$1 is not what was backed up"
	rm -rf "${1:?}"
}

borg init -e none "$borg" 2>/dev/null
restic -q -r "$restic" init
"$tidemark" init "$TIDEMARK_REPOSITORY"

show v1
borg_create full v1
restic_backup full
tidemark_backup full
full_enc_cpu_s_gib=-
if "$tidemark" init --help | grep -q -e --encrypt; then
	echo bench >"$work/passphrase" && chmod 600 "$work/passphrase"
	"$tidemark" init --encrypt --passphrase-file "$work/passphrase" "$work/encrypted"
	measure tidemark_full_encrypted "$tidemark" backup --quiet \
		--passphrase-file "$work/passphrase" -r "$work/encrypted" "$work/disk"
	full_enc_cpu_s_gib=$(calc "${cpu[tidemark_full_encrypted]} / ($size / 2 ^ 30)")
	rm -rf "$work/encrypted"
fi
# Objects never change: names are all that a copy needs.
cp -al "$TIDEMARK_REPOSITORY" "$work/known"

show v2
borg_create inc1 v2
restic_backup inc1
tidemark_backup rescan
measure tidemark_inc1 "$changed" "$work/known" "$work/disk" "$images/changed" 65536
rm -rf "$work/known"

show v3
borg_create inc20 v3
restic_backup inc20
tidemark_backup rescan20

borg_extract() {
	mkdir "$work/out"
	cd "$work/out"
	borg extract "$borg::v3"
}
export -f borg_extract
export work borg

measure borg_restore bash -c borg_extract
same "$work/out/$work/disk" && rm -rf "$work/out"
measure restic_restore restic -q -r "$restic" restore latest --target "$work/out"
same "$work/out/$work/disk" && rm -rf "$work/out"
measure tidemark_restore "$tidemark" restore --quiet latest "$work/out"
same "$work/out"

measure borg_verify borg check --verify-data "$borg"
measure restic_verify restic -q -r "$restic" check --read-data
measure tidemark_verify "$tidemark" verify --quiet

per_gib() {
	calc "${cpu[tidemark_$1]} / ($size / 2 ^ 30)"
}

largest() {
	printf '%s\n' "$@" | sort -g | tail -n 1
}

added_vs_borg() {
	calc "${bytes[tidemark_$1]} / ${bytes[borg_$2]}"
}

content_gib=$(calc "$size * 1.21 / 2 ^ 30")
echo "bench verify per GiB: tidemark=$(calc "${cpu[tidemark_verify]} / $content_gib")" \
	"borg=$(calc "${cpu[borg_verify]} / $content_gib")" \
	"restic=$(calc "${cpu[restic_verify]} / $content_gib")"
echo "bench size to borg: v1=$(added_vs_borg full full) +v2=$(added_vs_borg rescan inc1)" \
	"+v3=$(added_vs_borg rescan20 inc20)"
echo "bench catalog: full_cpu_s_gib=$(per_gib full)" \
	"full_enc_cpu_s_gib=$full_enc_cpu_s_gib" \
	"full_vs_borg=$(calc "${wall[borg_full]} / ${wall[tidemark_full]}" 2)" \
	"full_vs_restic=$(calc "${wall[restic_full]} / ${wall[tidemark_full]}" 2)" \
	"inc1_cpu_vs_borg=$(calc "${cpu[tidemark_inc1]} / ${cpu[borg_inc1]}" 4)" \
	"inc1_cpu_vs_restic=$(calc "${cpu[tidemark_inc1]} / ${cpu[restic_inc1]}" 4)" \
	"rescan_cpu_vs_borg=$(calc "${cpu[tidemark_rescan]} / ${cpu[borg_inc1]}")" \
	"restore_cpu_s_gib=$(per_gib restore)" \
	"verify_cpu_s_gib=$(calc "${cpu[tidemark_verify]} / $content_gib")" \
	"size_vs_borg=$(largest "$(added_vs_borg full full)" "$(added_vs_borg rescan inc1)" \
		"$(added_vs_borg rescan20 inc20)")" \
	"rss_mib=$(largest "${rss[tidemark_full]}" "${rss[tidemark_rescan]}" \
		"${rss[tidemark_rescan20]}" "${rss[tidemark_inc1]}" "${rss[tidemark_restore]}" \
		"${rss[tidemark_verify]}")"

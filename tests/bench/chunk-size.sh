#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What the chunk size costs and saves, as the table of docs/chunk-size.md: for each size
# a full backup of v1 of the images (see images), then, for small writes at random places
# of it, a backup of the chunks known to have changed.
#
#	SIZE=1G		of the image
#	WRITES=1000	of each size
#	WORK=/var/tmp	where the repositories lie meanwhile

set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../vm/host.sh
. ../vm/host.sh

size=$(numfmt --from=iec "${SIZE:-1G}")
writes=${WRITES:-1000}
images=$(./images "$size")
tidemark=$build_dir/tidemark
work=$(mktemp -d "${WORK:-/var/tmp}/tidemark-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export TIDEMARK_REPOSITORY=$work/repository

calc() {
	LC_ALL=C awk "BEGIN { printf \"%.${2:-2}f\", $1 }"
}

# timed COMMAND...: sets cpu, in seconds per GiB of the image, and rss, in MiB.
timed() {
	local user system resident
	/usr/bin/time -q -o "$work/time" -f '%U %S %M' "$@" >/dev/null
	read -r user system resident <"$work/time"
	cpu=$(calc "($user + $system) / ($size / 2 ^ 30)")
	rss=$((resident / 1024))
}

stat_of() {
	"$tidemark" stats --json | jq ".$1"
}

# amplification BYTES: what is stored for each byte that writes of so many bytes change.
amplification() {
	local stored
	cp -al "$TIDEMARK_REPOSITORY" "$work/after"
	stored=$("$build_dir/bench/changed" "$work/after" "$work/image.$1" "$work/list.$1" "$1")
	rm -rf "$work/after"
	calc "$stored / ($writes * $1)"
}

for bytes in 4096 8192 16384; do
	cp --sparse=never "$images/v1" "$work/image.$bytes"
	"$build_dir/bench/replace" "$work/image.$bytes" "$images/other" 0 "$writes" "$bytes" \
		>"$work/list.$bytes"
done
cat "$images/v1" >/dev/null

echo "| chunk | stored per byte changed, writes of 4K | 8K | 16K | v1, MiB | index, MiB per TiB |" \
	"full, CPU s/GiB | restore, CPU s/GiB | memory, MiB |"
echo "|---|---|---|---|---|---|---|---|---|"
for chunk in 4K 8K 16K 32K 64K 128K 256K 512K 1M; do
	rm -rf "$TIDEMARK_REPOSITORY"
	"$tidemark" init "$TIDEMARK_REPOSITORY" --chunk-size "$chunk" >/dev/null
	timed "$tidemark" backup --quiet "$images/v1"
	full=$cpu full_rss=$rss
	timed "$tidemark" restore --quiet latest "$work/out"
	cmp "$work/out" "$images/v1"
	rm "$work/out"
	echo "| $chunk | $(amplification 4096) | $(amplification 8192) | $(amplification 16384) |" \
		"$(calc "$(stat_of pack_bytes) / 2 ^ 20" 0) |" \
		"$(calc "$(stat_of index_bytes) * 2 ^ 20 / $size" 0) |" \
		"$full | $cpu | $((full_rss > rss ? full_rss : rss)) |"
done

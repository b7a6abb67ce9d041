#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What an index costs at 10^4, 10^6 and 10^7 chunks, and LMDB beside it. The
# figures of docs/index.md. Needs 6 GB in TMPDIR.
#
#	tests/bench/index.sh PROGRAM
set -euo pipefail
program=$1
directory=$(mktemp -d "${TMPDIR:-/var/tmp}/tidemark-index.XXXXXX")
trap 'rm -rf "$directory"' EXIT

"$program" filters
for nr in 1 10 100 500; do
	"$program" many "$nr" "$directory"
	rm -rf "${directory:?}"/*
done
for nr in 10000 1000000 10000000; do
	for what in index restore lmdb; do
		"$program" "$what" "$nr" "$directory"
		rm -rf "${directory:?}"/*
	done
done

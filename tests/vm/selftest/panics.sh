#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A real splat: the kernel dies of an oops, and the guest with it.
# vm: timeout=60

# shellcheck source=../lib.sh
. lib.sh

echo c >/proc/sysrq-trigger

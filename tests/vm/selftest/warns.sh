#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# The script ends well, the kernel has complained: that is a failure.
# vm: timeout=60

# shellcheck source=../lib.sh
. lib.sh

echo 'WARNING: CPU: 0 PID: 1 at mm/planted.c:1 planted+0x0/0x0' >/dev/kmsg

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# With kernel.ftrace_enabled=0 no write could be seen: attaching fails, says why,
# and leaves nothing behind; switched on again it attaches.
#
# vm: disks=64M mem=640 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark

load_module
check sysctl -w kernel.ftrace_enabled=0
cleanup sysctl -w kernel.ftrace_enabled=1
refused 6 'kernel.ftrace_enabled' tidemark attach /dev/vda
[[ $(dmsetup ls --target tidemark) == No* ]] || fail "a mapped device is left"
check dd if=/dev/zero of=/dev/vda bs=64k count=1 oflag=direct conv=notrunc status=none

check sysctl -w kernel.ftrace_enabled=1
check tidemark attach /dev/vda
check tidemark detach /dev/vda

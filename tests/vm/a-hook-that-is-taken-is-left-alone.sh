#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# Where a live patch or another product redirects submit_bio_noacct(), attaching
# fails and says why; the other way round it is the other one that has to wait.
#
# vm: disks=64M mem=640 timeout=120

# shellcheck source=lib.sh
. lib.sh

requires tidemark module:dm-tidemark module:tm-hook-taker

check modprobe tm-hook-taker
refused 6 'submit_bio_noacct' tidemark attach /dev/vda
check modprobe -r tm-hook-taker

check tidemark attach /dev/vda
cleanup tidemark detach /dev/vda
refused 1 'busy' modprobe tm-hook-taker
# Nor can tracing be switched off while something is attached.
refused 1 'busy' sysctl -w kernel.ftrace_enabled=0
dd if=/dev/zero of=/dev/vda bs=64k count=1 oflag=direct conv=notrunc status=none

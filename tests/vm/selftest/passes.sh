#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# vm: disks=64M timeout=60

# shellcheck source=../lib.sh
. lib.sh

make_ext4 /dev/vda
mount_ext4 /dev/vda /mnt
check touch /mnt/file

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# No end: the log must show where it hangs.
# vm: timeout=5

# shellcheck source=../lib.sh
. lib.sh

sleep 1000

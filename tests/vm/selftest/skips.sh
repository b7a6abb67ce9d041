#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# vm: timeout=60

# shellcheck source=../lib.sh
. lib.sh

requires module:no-such-module
fail "went on without it"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# What a test cannot put away fails it.
# vm: timeout=60

# shellcheck source=../lib.sh
. lib.sh

cleanup false

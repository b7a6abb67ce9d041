#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
# A command that fails without being tested must end the test, at its line.
# vm: timeout=60

# shellcheck source=../lib.sh
. lib.sh

cleanup echo "the cleanup ran"
false
echo "not reached"

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make bench-overhead  what the module costs per request, in instructions

.PHONY: bench-overhead
bench-overhead: bench-%: vm-product ; $(Q)tests/bench/run $*

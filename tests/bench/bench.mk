# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make bench-overhead  what the module costs per request, in instructions
#   make bench-latency   what attach, detach and cut cost the slowest write

.PHONY: bench-overhead bench-latency
bench-overhead bench-latency: bench-%: vm-product ; $(Q)tests/bench/run $*

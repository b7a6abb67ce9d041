# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make bench-overhead  what the module costs per request, in instructions
#   make bench-latency   what attach, detach and cut cost the slowest write
#   make bench-catalog   the catalog beside borg and restic, in CPU seconds; SIZE=
#   make bench-chunk-size  what the chunk size costs and saves; SIZE=
#   make bench-index     what the index costs at 10^4, 10^6 and 10^7 chunks
#   make bench-gentle    what a backup costs the latency of others, with and without limits
#   make bench-stream    what the stream costs the agent, and the writers; SIZE=
#   make bench-programs  what they are made of, so that it keeps building

.PHONY: bench-overhead bench-latency bench-catalog bench-chunk-size bench-index bench-stream \
	bench-gentle bench-programs bench-deps
bench-overhead bench-latency bench-gentle: bench-%: vm-product ; $(Q)tests/bench/run $*

bench-deps: ; $(Q)tests/vm/deps borgbackup restic time

bench-catalog bench-chunk-size: bench-%: bench-deps
	$(Q)$(MAKE) --no-print-directory $(B)/tidemark $(B)/bench/replace $(B)/bench/changed
	$(Q)SIZE=$(SIZE) tests/bench/$*.sh

$(B)/bench/%: $(B)/tests/bench/%.o $(B)/lib/libtidemark.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

bench-programs: $(addprefix $(B)/bench/,replace changed stream)

bench-index:
	$(Q)tests/vm/deps liblmdb-dev
	$(Q)$(MAKE) --no-print-directory $(B)/bench/index
	$(Q)tests/bench/index.sh $(B)/bench/index

$(B)/bench/index: $(B)/tests/bench/index.o $(B)/tests/unit/synthetic.o $(B)/libunits.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs) -llmdb

bench-stream: vm-product $(B)/bench/stream ; $(Q)tests/bench/stream-run $(B)/bench/stream

stream_parts := recorder recorder_drain recorder_keep backlog handover record_batch ring chunk_read
$(B)/bench/stream: $(B)/tests/bench/stream.o $(stream_parts:%=$(B)/agent/%.o) $(B)/libunits.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

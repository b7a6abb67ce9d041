# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make check-fuzz      the corpora and mutations of them, built as the unit tests are
#   make fuzz            libFuzzer, FUZZ_SECONDS= for each harness; needs clang-14
#   make fuzz-coverage   what of the parsers the corpora reach; needs clang-14 and llvm-14
#   make fuzz-seeds      first inputs, into build/fuzz/seeds
#
# A parser gets a harness tests/fuzz/<name>.c and a corpus tests/fuzz/corpus/<name>/.

fuzz_aids  := tests/fuzz/fuzz.c tests/fuzz/replay.c tests/fuzz/seeds.c
fuzz_names := $(patsubst tests/fuzz/%.c,%,$(filter-out $(fuzz_aids),$(sort $(wildcard tests/fuzz/*.c))))
fuzz_agent := agent/chunk_runs.c $(wildcard agent/proof*.c) agent/saved_state.c
fuzz_clang ?= clang-14
fuzz_flags := -w -g -O1 -fno-omit-frame-pointer
fuzz_sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: check-fuzz fuzz fuzz-coverage fuzz-seeds
check-fuzz: $(fuzz_names:%=$(B)/fuzz/replay-%)
	$(Q)tests/fuzz/run replay $(fuzz_names)

$(B)/fuzz/replay-%: $(B)/asan/tests/fuzz/%.o $(B)/asan/tests/fuzz/fuzz.o $(B)/asan/tests/fuzz/replay.o $(unit_lib)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -g $(sanitize) -o $@ $^ $(libs)

fuzz-seeds: $(B)/fuzz/seeds-writer
	$(Q)mkdir -p $(B)/fuzz/seeds && $< $(B)/fuzz/seeds && ls $(B)/fuzz/seeds/*

$(B)/fuzz/seeds-writer: $(B)/asan/tests/fuzz/seeds.o $(unit_lib)
	$(Q)mkdir -p $(@D) && $(CC) -g $(sanitize) -o $@ $^ $(libs) -lcmocka

# One compiler call for each binary: there are few, and no dependency is forgotten.
fuzz: $(fuzz_names:%=$(B)/fuzz/fuzz-%)
	$(Q)tests/fuzz/run fuzz $(fuzz_names)

$(B)/fuzz/libfuzz.a: $(lib_src:%.c=$(B)/fuzz/obj/%.o) $(fuzz_agent:%.c=$(B)/fuzz/obj/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/fuzz/obj/%.o: %.c
	$(call say,CC-FUZZ,$<)
	$(Q)mkdir -p $(@D) && $(fuzz_clang) $(cppflags) -std=gnu11 $(fuzz_flags) $(fuzz_sanitize) \
	  -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(B)/fuzz/fuzz-%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/obj/tests/fuzz/fuzz.o $(B)/fuzz/libfuzz.a
	$(call say,LINK,$@)
	$(Q)$(fuzz_clang) -g $(fuzz_sanitize) -fsanitize=fuzzer -o $@ $^ $(libs)

fuzz-coverage: $(fuzz_names:%=$(B)/fuzz/cover-%)
	$(Q)tests/fuzz/coverage $(fuzz_names)

$(B)/fuzz/cover-%: tests/fuzz/%.c tests/fuzz/fuzz.c tests/fuzz/replay.c $(lib_src) $(fuzz_agent)
	$(call say,COVER,$@)
	$(Q)mkdir -p $(@D) && $(fuzz_clang) $(cppflags) -std=gnu11 $(fuzz_flags) -fsanitize=address \
	  -fprofile-instr-generate -fcoverage-mapping -o $@ $^ $(libs)

-include $(wildcard $(B)/asan/tests/fuzz/*.d $(B)/fuzz/obj/*/*.d $(B)/fuzz/obj/tests/fuzz/*.d)

# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make check           unit tests, fuzzers' corpora, the harness's own, tests in VMs; one closing line
#   make check-vm        tests in VMs; T=name for one, JOBS= machines at once
#   make check-kernels   tests in VMs on every stock kernel; KERNELS= narrows
#   make check-long      the long forms of those that have one, minutes of each fuzzer;
#                        KERNELS="5.10 6.1", T= for one in VMs alone
#   make check-debug-kernel  what is worth it on kernels that look for bugs
#   make check-harness   proof that the harness can tell a failure
#   make vm-shell        a console in a VM, with two disks and the module
#   make demo            the main job in a VM, as a user would do it
#   make deps            install what building and testing need (Debian 12)
#
# KERNEL= chooses the guest's kernel: tests/vm/kernel has the list.

export KERNEL KERNELS LONG JOBS SLOW KEEP HOST SEED

vm_bin    := $(patsubst tests/vm/bin/%.c,$(B)/vm/bin/%,$(wildcard tests/vm/bin/*.c))
vm_common := $(wildcard tests/vm/bin/common/*.[ch])

.PHONY: check check-vm check-kernels check-long check-debug-kernel check-harness vm-shell \
	vm-product vm-bin demo deps
check:         ; +$(Q)tests/vm/check
check-vm:      vm-product ; $(Q)tests/vm/run $(T)
check-kernels: ; +$(Q)tests/vm/check-kernels $(T)
check-long:    ; +$(Q)tests/vm/check-long $(T)
check-debug-kernel: ; +$(Q)tests/vm/check-debug-kernel
check-harness: vm-bin     ; $(Q)tests/vm/selftest/run
vm-shell:      vm-product ; $(Q)tests/vm/shell
demo:          ; +$(Q)tests/vm/demo/run
deps:          ; $(Q)tests/vm/deps

# The product as the guest needs it: its module is for the guest's kernel,
# whatever runs here.
vm-product: vm-bin
	$(Q)$(MAKE) --no-print-directory -s tools && tests/vm/kbuild

vm-bin: $(vm_bin)

# Static, so that a helper runs in whatever root file system it meets.
$(vm_bin): $(B)/vm/bin/%: tests/vm/bin/%.c $(vm_common) include/uapi/tidemark.h
	$(call say,CC-VM,$<)
	$(Q)mkdir -p $(@D) && $(CC) -Itests/vm/bin -D_GNU_SOURCE -std=gnu11 $(warnings) -Werror \
	  -O2 -static -o $@ $(filter %.c,$^)

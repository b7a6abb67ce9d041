# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 the Tidemark authors
#
#   make                 user space (build/tidemark) and the kernel module
#   make tools | kmod    one of the two
#   make library         libtidemark: static, shared, for pkg-config
#   make check           unit tests, fuzzing, then tests in a VM; installs what it needs
#   make check-unit      unit tests alone: no root, ASan and UBSan
#   make check-fuzz      parsers on damaged and hostile objects; make fuzz: with libFuzzer
#   make demo            the main job in a VM, as a user would do it
#   make bench-overhead  what the module costs a request, in instructions
#   make bench-latency   what attach, detach and cut cost the slowest write
#   make bench-gentle    what a backup costs the latency of others, with and without limits
#   make bench-catalog   what the catalog costs beside borg and restic; SIZE=4G
#   make bench-index     what the index costs at 10^4, 10^6 and 10^7 chunks
#   make install         DESTDIR= PREFIX= LIBDIR=; install-library: that alone
#
# KVER=  kernel release to build the module for; KDIR= its build directory;
# KMAKE= what else the kernel's make is to be told
# V=1    show the commands        WERROR=1  warnings are errors

VERSION := 0.1.0

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system
HOOKDIR ?= $(PREFIX)/lib/tidemark/hooks
SYSCONFDIR ?= /etc
UDEVDIR ?= /usr/lib/udev/rules.d
NBDKITDIR ?= $(shell pkg-config --variable=plugindir nbdkit)
MODDIR  ?= $(DESTDIR)/lib/modules/$(KVER)/updates
CC      ?= cc
AR      ?= ar
OBJCOPY ?= objcopy
CFLAGS  ?= -O2 -g
B       := build

# The running kernel where its headers are installed, else the newest that has them.
newest_kver := $(lastword $(sort $(patsubst /lib/modules/%/build,%,$(wildcard /lib/modules/*/build))))
KVER ?= $(if $(wildcard /lib/modules/$(shell uname -r)/build),$(shell uname -r),$(newest_kver))
KDIR ?= /lib/modules/$(KVER)/build

SHELL := /bin/bash -o pipefail

Q    := $(if $(filter 1,$(V)),,@)
say   = $(if $(Q),@printf '  %-7s %s\n' $(1) $(2))

lib_pkgs := liblz4 libzstd libcrypto
pkgs     := devmapper blkid $(lib_pkgs) json-c
daemon_pkgs := libconfuse libsystemd libmicrohttpd
cppflags := -Iinclude -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DTIDEMARK_VERSION='"$(VERSION)"'
warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	    -Wno-unused-parameter $(if $(filter 1,$(WERROR)),-Werror)
cflags   := -std=gnu11 $(warnings) -pthread -fno-strict-aliasing
libs      = $(shell pkg-config --libs $(pkgs)) -pthread

lib_src   := $(sort $(wildcard common/*.c catalog/*.c))
agent_src := $(sort $(wildcard agent/*.c restore/*.c))
cli_src   := $(sort $(wildcard cli/*.c))
daemon_src := $(sort $(wildcard daemon/*.c))
unit_src  := $(sort $(wildcard tests/unit/test-*.c))
imitated_src := $(wildcard tests/unit/imitated_*.c)
unit_aid_src := $(filter-out $(unit_src) tests/unit/outside.c $(imitated_src),$(wildcard tests/unit/*.c))

lib_obj   := $(lib_src:%.c=$(B)/%.o)
agent_obj := $(agent_src:%.c=$(B)/%.o)
cli_obj   := $(cli_src:%.c=$(B)/%.o)
daemon_obj := $(daemon_src:%.c=$(B)/%.o)
unit_bin  := $(unit_src:tests/unit/%.c=$(B)/unit/%)
unit_lib  := $(B)/asan/libunit.a
unit_aid  := $(unit_aid_src:%.c=$(B)/asan/%.o)
sanitize  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

.PHONY: all tools library kmod kmod-tests install install-library install-udev clean check-unit
all: tools kmod
tools: $(B)/tidemark $(B)/tidemarkd $(B)/nbdkit-tidemark-plugin.so
.DELETE_ON_ERROR:

$(B)/tidemark: $(cli_obj) $(agent_obj) $(B)/libunits.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

$(B)/tidemarkd: $(daemon_obj) $(filter-out $(B)/cli/main.o,$(cli_obj)) $(agent_obj) $(B)/libunits.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs) $(shell pkg-config --libs $(daemon_pkgs))

# It has the library in it, and shows nbdkit's entry point alone. nbdkit has the rest.
$(B)/nbdkit-tidemark-plugin.so: $(B)/restore/nbdkit/plugin.o $(B)/lib/libtidemark.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,--exclude-libs,ALL -o $@ $^ \
	  $(shell pkg-config --libs $(lib_pkgs)) -pthread

$(B)/restore/nbdkit/plugin.o: cflags += -fPIC

$(B)/libunits.a: $(lib_obj)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The library has the calls of include/tidemark.h and no other symbol, in both forms.
# Its soname counts changes that break programs; the map says since when a call is there.
soname  := libtidemark.so.0
so_file := libtidemark.so.$(VERSION)
map     := catalog/libtidemark.map
library := $(addprefix $(B)/lib/,libtidemark.a $(so_file))
$(lib_obj): cflags += -fPIC -fno-semantic-interposition

library: $(library)

$(B)/lib/$(so_file): $(lib_obj) $(map)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(soname) -Wl,-z,defs \
	  -Wl,--version-script=$(map) -o $@ $(lib_obj) $(shell pkg-config --libs $(lib_pkgs)) -pthread

$(B)/lib/libtidemark.a: $(lib_obj) $(map)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(CC) -r -nostdlib -o $(@D)/libtidemark.o $(lib_obj)
	$(Q)grep -o '\btmc_[a-z_0-9]*' $(map) >$(@D)/symbols
	$(Q)$(OBJCOPY) --keep-global-symbols=$(@D)/symbols $(@D)/libtidemark.o
	$(Q)$(AR) rcs $@ $(@D)/libtidemark.o

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(cppflags) $(CPPFLAGS) $(cflags) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---------------------------------------------------------------- kernel module
# Built in a copy of the tree's shape, so that several kernels stand side by side.
kbuild   := $(B)/kmod/$(KVER)
kmod_src := $(wildcard kmod/*.c kmod/*.h kmod/Kbuild include/uapi/*.h)
kernel_make = $(MAKE) -C $(KDIR) M=$(abspath $(1)) $(KMAKE) KCFLAGS="$(if $(filter 1,$(WERROR)),-Werror)" \
	      $(if $(Q),--no-print-directory -s) modules 2>&1 | sed '/^Skipping BTF generation/d'

kmod: $(kbuild)/dm-tidemark.ko

$(kbuild)/dm-tidemark.ko: $(kmod_src)
	@test -e "$(KDIR)/Makefile" || { \
	  echo "make: no kernel headers at $(KDIR); install linux-headers-$(KVER)," \
	       "name others with KVER= or KDIR=, or build user space alone: make tools" >&2; exit 1; }
	$(call say,KMOD,$@)
	$(Q)mkdir -p $(kbuild)/include && cp -ru include/uapi $(kbuild)/include/ && cp -u kmod/* $(kbuild)/
	$(Q)$(call kernel_make,$(kbuild))
	$(Q)objdump -dr --disassemble=deliver $@ | grep -A1 'jmp' | grep submit_bio_noacct >/dev/null || { \
	  echo "make: $@: deliver() must end in a jump to submit_bio_noacct (kmod/hook.c says why)" >&2; \
	  rm -f $@; exit 1; }

# Modules that tests load beside ours.
kmod-tests: $(kbuild)/tests/.built

$(kbuild)/tests/.built: $(wildcard tests/kernel/*) kmod/compat.h
	$(call say,KMOD,$(@D))
	$(Q)mkdir -p $(@D) && cp -u tests/kernel/* $(@D)/ && cp -u kmod/compat.h $(kbuild)/
	$(Q)$(call kernel_make,$(@D)) && touch $@

# ------------------------------------------------------------------------ tests
# These once more, with every repository in them encrypted.
unit_encrypted := backup check copy damage expiry index-merge instant journal journal-seam note part prune repair repair-doom round-trip

check-unit: $(unit_bin) $(B)/contract.c99 $(B)/contract.c++ $(library) tools
	$(Q)tests/unit/run $(unit_bin) tests/unit/test-library tests/unit/test-secrets \
	  tests/unit/test-prune-cli tests/unit/test-journal-cli tests/unit/test-nbdkit \
	  --encrypted $(unit_encrypted:%=$(B)/unit/test-%)

# Both contracts must suit programs of either language.
contracts := include/uapi/tidemark.h include/tidemark.h
$(B)/contract.c99: $(contracts)
	$(Q)mkdir -p $(@D) && for h in $^; do \
	  $(CC) -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude -x c -c -o $@ $$h || exit 1; done
$(B)/contract.c++: $(contracts)
	$(Q)mkdir -p $(@D) && for h in $^; do \
	  $(CC) -std=c++11 -pedantic -Wall -Wextra -Werror -Iinclude -x c++ -c -o $@ $$h || exit 1; done

$(B)/asan/%.o: %.c
	$(call say,CC-ASAN,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(cppflags) $(cflags) -g -O1 $(sanitize) -MMD -MP -c -o $@ $<

$(unit_lib): $(lib_src:%.c=$(B)/asan/%.o) $(agent_src:%.c=$(B)/asan/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/unit/%: $(B)/asan/tests/unit/%.o $(unit_aid) $(unit_lib)
	$(link_unit)

define link_unit
$(call say,LINK,$@)
$(Q)mkdir -p $(@D) && $(CC) -g $(sanitize) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(libs) $(more_libs) \
  -lcmocka
endef

# The functions of the agent that tests/unit/imitated_module.c has are taken from there.
$(addprefix $(B)/unit/test-,known-volume recorder protection protection-device protection-recovery protection-status scan-resumes takeover guards jobs phases resume restore-tracker): $(imitated_src:%.c=$(B)/asan/%.o)

# Those of the daemon.
$(addprefix $(B)/unit/test-,config exposition fd-store guards jobs): more_libs = $(shell pkg-config --libs $(daemon_pkgs))
$(B)/unit/test-calendar: $(B)/asan/daemon/calendar.o
$(B)/unit/test-schedule: $(addprefix $(B)/asan/daemon/,calendar.o schedule.o)
config_obj := $(addprefix $(B)/asan/daemon/,calendar.o config.o config_jobs.o job_settings.o loopback_address.o schedule.o)
$(B)/unit/test-config: $(config_obj)
$(B)/unit/test-fd-store: $(B)/asan/daemon/fd_store.o
$(B)/unit/test-guards: $(config_obj) \
	$(addprefix $(B)/asan/,daemon/fd_store.o daemon/guards.o daemon/log.o daemon/volume_report.o cli/json.o)
$(B)/unit/test-jobs: $(config_obj) \
	$(addprefix $(B)/asan/,$(addprefix daemon/,job.o jobs.o job_devices.o job_run.o job_state.o log.o) cli/json.o)
$(B)/unit/test-metrics: $(addprefix $(B)/asan/daemon/,metrics.o metrics_table.o)
$(B)/unit/test-exposition: $(addprefix $(B)/asan/daemon/,exposition.o loopback_address.o log.o metrics_file.o metrics_http.o)

# Of the command.
$(B)/unit/test-restore-manifest: $(B)/asan/cli/restore_manifest.o
$(B)/unit/test-status-check: $(addprefix $(B)/asan/cli/,status_check.o status_note.o status_table.o)

# The same library, whose allocations a test can let fail: tests/unit/faults.c.
may_fail := malloc calloc realloc reallocarray aligned_alloc posix_memalign strdup fdopendir \
	    pthread_create EVP_MD_CTX_new
$(B)/asan/libunit-faults.a: $(unit_lib)
	$(Q)objcopy $(foreach call,$(may_fail),--redefine-sym $(call)=faulty_$(call)) $< $@

$(B)/unit/test-fault-sweep: $(B)/unit/%: $(B)/asan/tests/unit/%.o $(unit_aid) $(B)/asan/libunit-faults.a
	$(link_unit)
.SECONDARY:

-include tests/vm/vm.mk tests/bench/bench.mk tests/fuzz/fuzz.mk

# ---------------------------------------------------------------------- install
install: tools install-library install-udev
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(B)/tidemark $(B)/tidemarkd
	install -D -m 644 -t $(DESTDIR)$(NBDKITDIR) $(B)/nbdkit-tidemark-plugin.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 man/nbdkit-tidemark-plugin.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/tidemark.8 man/tidemarkd.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 man/tidemark.conf.5
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) packaging/systemd/*
	install -D -m 755 -t $(DESTDIR)$(HOOKDIR) packaging/hooks/*
	install -d $(DESTDIR)$(SYSCONFDIR)/tidemark
	$(if $(wildcard $(kbuild)/dm-tidemark.ko),install -D -m 644 $(kbuild)/dm-tidemark.ko $(MODDIR)/dm-tidemark.ko)
	$(if $(DESTDIR),,$(if $(wildcard $(kbuild)/dm-tidemark.ko),depmod $(KVER)))

install-library: library
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(B)/lib/libtidemark.a
	install -D -m 755 -t $(DESTDIR)$(LIBDIR) $(B)/lib/$(so_file)
	ln -sf $(so_file) $(DESTDIR)$(LIBDIR)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(LIBDIR)/libtidemark.so
	sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(LIBDIR)|' -e 's|@version@|$(VERSION)|' \
	  -e 's|@requires@|$(lib_pkgs)|' packaging/pkg-config/libtidemark.pc.in >$(B)/lib/libtidemark.pc
	install -D -m 644 -t $(DESTDIR)$(LIBDIR)/pkgconfig $(B)/lib/libtidemark.pc
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include include/tidemark.h
	$(if $(DESTDIR),,-ldconfig)

install-udev:
	install -D -m 644 -t $(DESTDIR)$(UDEVDIR) packaging/udev/*

clean:
	rm -rf $(B)

-include $(patsubst %.o,%.d,$(lib_obj) $(agent_obj) $(cli_obj) $(daemon_obj) $(B)/restore/nbdkit/plugin.o)
-include $(patsubst %.c,$(B)/asan/%.d,$(lib_src) $(agent_src) $(unit_src) $(unit_aid_src) \
	   $(imitated_src) $(daemon_src) $(cli_src))

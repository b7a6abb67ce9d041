// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A plugin for QEMU (-plugin hot.so,out=FILE) that counts executed instructions by
 * translated block, between two marks that the guest's program makes (iocost.c). Then
 * FILE has a line for each address where blocks began: address, instructions.
 * tests/bench/profile puts names to them.
 *
 * QEMU's packages have no header for plugins; what is declared here is its version 1.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hot.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

enum { INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
					   void (*cb)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu, void *data), int flags,
					    void *data);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

int qemu_plugin_version = 1;

enum { NR_SLOTS = 1 << 22 };

struct slot {
	uint64_t address, nr;
};

static struct slot *slots;
static const char *out;

/* Open addressing; one vCPU, so nothing races. */
static struct slot *slot_of(uint64_t address)
{
	uint64_t i = address * 0x9e3779b97f4a7c15 >> 42;

	while (slots[i].address && slots[i].address != address)
		i = (i + 1) % NR_SLOTS;
	slots[i].address = address;
	return &slots[i];
}

static void start(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	for (size_t i = 0; i < NR_SLOTS; i++)
		slots[i].nr = 0;
}

static void stop(unsigned int vcpu, void *data)
{
	FILE *f = fopen(out, "w");

	(void)vcpu, (void)data;
	for (size_t i = 0; f && i < NR_SLOTS; i++)
		if (slots[i].nr)
			fprintf(f, "%016" PRIx64 " %" PRIu64 "\n", slots[i].address, slots[i].nr);
	if (f)
		fclose(f);
}

static void look_for_marks(struct qemu_plugin_insn *insn)
{
	static const uint8_t start_mark[] = HOT_START_BYTES, stop_mark[] = HOT_STOP_BYTES;

	if (qemu_plugin_insn_size(insn) != sizeof(start_mark))
		return;
	if (!memcmp(qemu_plugin_insn_data(insn), start_mark, sizeof(start_mark)))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, start, 0, NULL);
	if (!memcmp(qemu_plugin_insn_data(insn), stop_mark, sizeof(stop_mark)))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, stop, 0, NULL);
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < nr; i++)
		look_for_marks(qemu_plugin_tb_get_insn(tb, i));
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64,
						 &slot_of(qemu_plugin_tb_vaddr(tb))->nr, nr);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	slots = calloc(NR_SLOTS, sizeof(*slots));
	if (!slots || argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}

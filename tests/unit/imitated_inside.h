/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the files of the imitated module share. The module's lock is the gate: who has it is
 * alone with tracker, cut and ring. Payloads are copied and the volume is written to without
 * it, so that records are published out of turn and reads run into writes.
 */
#ifndef TESTS_UNIT_IMITATED_INSIDE_H
#define TESTS_UNIT_IMITATED_INSIDE_H

#include "imitated_module.h"

#include "agent/handover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <tidemark.h>
#include <uapi/tidemark.h>

#define IMITATED_SECTOR       512u
#define IMITATED_START_SECTOR 8u   /* of the volume on its device */
#define IMITATED_SPARE_BYTES  256u /* for records that cannot wait */
#define IMITATED_NR_SLOTS     4096u
#define IMITATED_NR_MODULES   4u

/* A record between its reservation and its publication. */
struct imitated_slot {
	uint64_t end;
	bool complete;
};

struct channel {
	struct module *module;
	struct channel_info info;
	struct handover_page page;
	struct tidemark_ring_producer producer;
	uint8_t *data; /* twice in a row */
	struct ring ring;
	int event_fd;
	uint64_t reserved, published, seq; /* the module's lock, as all below */
	struct imitated_slot slots[IMITATED_NR_SLOTS];
	uint64_t first_slot, end_slot;
	bool gone, quiet;
	bool is_open; /* some agent has it */
	bool is_kept; /* somebody else has a copy of its descriptor */
};

struct module {
	struct module_options options;
	char name[ATTACHMENT_NAME_BYTES];
	int fd;
	pthread_mutex_t lock; /* all below */
	char path[64];        /* empty: none leads to its device */
	char identity[TMC_TEXT_BYTES];
	dev_t live;
	uint64_t device_bytes;
	enum channel_device device;
	bool attached;
	struct channel *channel;
	uint64_t nr_chunks;
	uint8_t *dirty, *frozen; /* by chunk */
	uint32_t *landing;       /* by chunk: writes in flight */
	uint64_t epoch, cut_seq, start_cut_seq, start_epoch;
	bool cut_is_open, cut_is_lost, streams, stands, kills, is_old;
	unsigned int nr_waiting, nr_channels, nr_cuts_to_lose, nr_calls_to_live;
	uint8_t base[MODULE_BASE_BYTES];
};

/* As it is now; nothing of it is known. */
void imitated_attach(struct module *module);
void imitated_die(const char *what) __attribute__((noreturn));
struct module *imitated_find(const char *name);
size_t imitated_list(struct module *ret_modules[IMITATED_NR_MODULES]);
/* NULL: no channel has it. */
struct channel *imitated_channel_of(int fd);

/* The ring; all but wake with the module's lock. */
void imitated_wake(const struct channel *channel);
void imitated_show_stream(struct channel *channel, uint32_t state);
void imitated_lose_locked(struct module *module);
/* Where the payload goes, or NULL: no room. spare: bytes that have to stay free. */
uint8_t *imitated_reserve_locked(struct channel *channel, const struct tidemark_record *record,
				 uint32_t spare, uint64_t *ret_slot);
void imitated_publish_locked(struct channel *channel, uint64_t slot);
bool imitated_append_locked(struct module *module, const struct tidemark_record *record,
			    const void *payload, uint32_t spare);

#endif

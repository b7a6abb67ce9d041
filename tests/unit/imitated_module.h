/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The kernel module as the agent sees it, for one volume in memory: tracker, fuzzy cuts,
 * ring and stream, by the rules of kmod/ (S1 to S6 of its stream.h). Its state outlives its
 * channels. Whoever links this has the functions of agent/channel.h, of agent/live_volume.h,
 * of agent/volume_identity.h and the few of agent/device.h that a daemon calls from here, and poll(): the ring's
 * descriptor has to be readable exactly while records wait.
 *
 * Not imitated: writes while a cut is read that preserves, several volumes in one cut, an
 * attachment that has not settled.
 */
#ifndef TESTS_UNIT_IMITATED_MODULE_H
#define TESTS_UNIT_IMITATED_MODULE_H

#include "agent/channel.h"

#include <stdbool.h>
#include <stdint.h>

#define MODULE_BASE_BYTES ATTACHMENT_BASE_BYTES

struct module;

/* A cut that is about to be committed. */
struct module_commit {
	const uint8_t *base;
	const uint8_t *leaves;  /* by chunk: it leaves the dirty set, with nothing in flight there */
	const uint8_t *content; /* of the volume; right for the chunks that leave */
	uint64_t bytes;
};

struct module_options {
	const char *name; /* of the attachment, and the volume's id */
	uint64_t volume_bytes;
	uint32_t chunk_bytes;
	uint32_t ring_bytes;
	uint32_t stall_ms;
	uint32_t flight_us; /* at most so long a write takes */
	void (*committing)(void *context, const struct module_commit *commit);
	void *context;
};

/* Everything is dirty, and the volume is zero. */
struct module *module_create(const struct module_options *options);
void module_destroy(struct module *module);

enum module_op {
	MODULE_WRITE,
	MODULE_ZEROES,
	MODULE_DISCARD, /* leaves the content as it is */
	MODULE_FLUSH,
	MODULE_FAILING_WRITE, /* half of it arrives */
};

/* In the caller's thread, until it has landed; seed: of its delay. */
void module_write(struct module *module, enum module_op op, uint64_t sector, uint64_t nr_sectors,
		  const void *data, unsigned int *seed);

/*
 * 1: recorded, in a stretch whose first cut was committed before; 0: recorded; -ENOTCONN: no
 * stream.
 */
int module_mark(struct module *module, const char *text);

/* Ended when the channel is closed. */
enum module_fault {
	MODULE_NONSENSE, /* the next record has a wrong seq */
	MODULE_GONE,     /* each call says -ENODEV */
};
void module_break(struct module *module, enum module_fault fault);

/*
 * Somebody has a copy of the channel's descriptor, which goes on where its agent closes it: the
 * descriptor, -1: there is no channel. Then he has none any more.
 */
int module_keep_channel(struct module *module);
void module_give_channel_back(struct module *module);
/* The ring's consumer page; NULL: there is no channel. */
struct handover_page;
struct handover_page *module_page(struct module *module);
struct channel *module_channel(struct module *module);

/* The stream is behind, as if a write had found no room. */
void module_lose_stream(struct module *module);

/* So many of the cuts that come are lost, those that preserve. */
void module_lose_cuts(struct module *module, unsigned int nr);

/* So many calls that change or read a cut are made; then the agent is as good as killed. */
void module_kill_after(struct module *module, unsigned int nr_calls);
void module_let_live(struct module *module);
/* It does not know channel_add_dirty(). */
void module_be_old(struct module *module);

/* Nobody is told of records, nor of the stream's end, until this is called with false. */
void module_be_quiet(struct module *module, bool quiet);

/* A record as it stands, but for its seq and size where these are 0. */
struct tidemark_record;
void module_append(struct module *module, const struct tidemark_record *record,
		   const void *payload);

uint64_t module_dirty_chunks(struct module *module);
bool module_is_dirty(struct module *module, uint64_t chunk);
uint64_t module_last_seq(struct module *module);
bool module_is_streaming(struct module *module);
/* The stream is on, and the cut that began it has been committed. */
bool module_stands(struct module *module);
unsigned int module_nr_channels(struct module *module); /* opened so far */
uint64_t module_nr_cuts(struct module *module);         /* made so far */
void module_get_base(struct module *module, uint8_t ret_base[MODULE_BASE_BYTES]);
/* Nothing is dirty, as after an ordinary backup. No channel is open. */
void module_set_base(struct module *module, const uint8_t base[MODULE_BASE_BYTES]);
/* Behind the module's back: attached anew, with another size. No channel is open. */
void module_resize(struct module *module, uint64_t volume_bytes);

/*
 * Its device. At first it is there, attached, known by the module's name, and no path leads to
 * it. What is plugged in is another device: it is not attached, and has the content of before.
 */
void module_plug(struct module *module, const char *path, const char *identity);
void module_unplug(struct module *module);
/* What is attached stays as it is. */
void module_change_size(struct module *module, uint64_t bytes);
bool module_is_attached(struct module *module);

void module_read(struct module *module, uint64_t sector, uint64_t nr_sectors, void *ret_data);

#endif

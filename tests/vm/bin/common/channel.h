/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TEST_CHANNEL_H
#define TEST_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../../../include/uapi/tidemark.h"

/*
 * The kernel's contract, bare: each call that fails ends the program, with status 3
 * where the cut was lost.
 */
struct channel {
	int fd;
	struct tidemark_info info;
	uint32_t ring_bytes;
	struct tidemark_ring_consumer *consumer;
	const struct tidemark_ring_producer *producer;
	const uint8_t *data;
	uint64_t consumed;
	uint64_t last_seq;
	uint64_t epoch;  /* of the latest cut */
	uint64_t frozen; /* chunks of the latest cut */
};

/* Of a block device's node. */
struct tidemark_devno devno_of(const char *node);
int channel_open(void);
/* ring_bytes 0: the default. */
void channel_bind(struct channel *c, const char *mapped_node, uint32_t ring_bytes);
void channel_cut(struct channel *c, uint32_t flags);
/* One bit per chunk; the caller frees it. */
uint64_t *channel_read_frozen(struct channel *c);
/* True: the bit still stood. */
bool channel_release(struct channel *c, uint64_t chunk);
void channel_end(struct channel *c, uint32_t how);
uint32_t channel_chunk_bytes(const struct channel *c, uint64_t chunk);
/* Calls take for each record that waits, in order, and gives its place back. */
void channel_drain(struct channel *c, void (*take)(void *context, const struct tidemark_record *r),
		   void *context);
/* TIDEMARK_STREAM_*, as shown. */
uint32_t channel_stream_state(const struct channel *c);

#endif

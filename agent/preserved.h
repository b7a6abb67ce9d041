/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Chunks on their way from the ring to the catalog. The ring must drain whatever
 * the catalog does, so pushing never waits for the consumer: what does not fit
 * into memory goes to an unlinked file beside the repository. One producer, one
 * consumer; the order does not matter and is not kept.
 */
#ifndef AGENT_PRESERVED_H
#define AGENT_PRESERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct preserved;

enum preserved_kind {
	PRESERVED_CONTENT,
	PRESERVED_UNREADABLE, /* the device could not read the chunk: no payload */
};

/** Neighbouring chunks of one kind, their content one after another. */
struct preserved_batch {
	enum preserved_kind kind;
	uint64_t first_chunk;
	uint32_t nr_chunks;
};

/**
 * spill_dir: where the file is made that takes what memory_bytes do not hold. It is
 * made here, because a file system that is busy syncing packs can take long for it,
 * and later the ring is filling. Errors: -ENOMEM, those of making it, with a sentence.
 */
int preserved_create(const char *spill_dir, uint32_t chunk_bytes, size_t memory_bytes,
		     struct preserved **ret_preserved);
void preserved_destroy(struct preserved *preserved);

/** Copies the payload. Errors: those of writing the spill file, with a sentence. */
int preserved_push(struct preserved *preserved, enum preserved_kind kind, uint64_t chunk,
		   const void *payload, uint32_t bytes);

/** Nothing is pushed any more. */
void preserved_close(struct preserved *preserved);

/** Wake the consumer, which gets nothing more. */
void preserved_cancel(struct preserved *preserved);

/** Wait for something to take. 1: there is, 0: closed and empty, or cancelled. */
int preserved_wait(struct preserved *preserved);

/**
 * Take one chunk and the neighbours that directly follow it in the queue, up to
 * buffer_bytes; after preserved_wait() returned 1. Errors: -EIO and others of
 * reading the spill file, with a sentence.
 */
int preserved_take(struct preserved *preserved, void *buffer, size_t buffer_bytes,
		   struct preserved_batch *ret_batch);

/** Bytes that have gone through the spill file; for tests. */
uint64_t preserved_spilled_bytes(struct preserved *preserved);

#endif

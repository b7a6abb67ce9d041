/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which blobs to read from where, in the order that is cheapest: a bounded number
 * of chunks of a volume, sorted by their place in the packs, cut into reads.
 */
#ifndef CATALOG_READ_PLAN_H
#define CATALOG_READ_PLAN_H

#include "catalog/index_set.h"

struct tmc_stripe;

struct tmc_piece { /* one chunk of the volume */
	uint64_t chunk;
	struct tmc_stripe *stripe; /* that it goes to */
	uint32_t pack_order; /* the plan's packs in the order of their first chunk */
	uint32_t offset;
	struct tmc_blob blob;
};

/** One read of one pack. */
struct tmc_read {
	struct tmc_id pack;
	uint32_t offset;
	uint32_t bytes;
	uint32_t nr_pieces;
	struct tmc_piece pieces[]; /* sorted by chunk */
};

#define TMC_PLAN_PIECES 4096u
#define TMC_READ_BYTES  (1u << 20) /* a read is larger only for one larger blob */

struct tmc_read_plan; /**< one thread's */

struct tmc_read_plan *tmc_read_plan_create(void);
void tmc_read_plan_destroy(struct tmc_read_plan *plan);

/** At most TMC_PLAN_PIECES. */
void tmc_read_plan_add(struct tmc_read_plan *plan, uint64_t chunk, struct tmc_stripe *stripe,
		       const struct tmc_location *location);

/** Sort; then next gives the reads, each freed with free(): 1, 0 at the end, -ENOMEM. */
void tmc_read_plan_sort(struct tmc_read_plan *plan);
int tmc_read_plan_next(struct tmc_read_plan *plan, struct tmc_read **ret_read);

/** Empty it, to be filled again. */
void tmc_read_plan_clear(struct tmc_read_plan *plan);

#endif

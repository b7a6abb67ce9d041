/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * How much of each pack is needed, and what becomes of it.
 */
#ifndef CATALOG_PACK_USE_H
#define CATALOG_PACK_USE_H

#include "catalog/doom.h"

enum tmc_pack_fate {
	TMC_PACK_STAYS,
	TMC_PACK_GOES,   /* nothing of it is needed */
	TMC_PACK_COPIED, /* it goes; what is needed of it is copied */
	TMC_PACK_DOOMED, /* by an earlier prune */
};

struct tmc_pack_use {
	struct tmc_id id;
	uint64_t bytes, needed_bytes;
	enum tmc_pack_fate fate;
};

struct tmc_pack_uses { /* by id; all zero: none */
	struct tmc_pack_use *packs;
	size_t nr;
};

/** All packs there are; those that no doom lists stay so far. Cleared in every case. */
int tmc_pack_uses_list(struct tmc_pack_uses *uses, struct tmc_store *store,
		       const struct tmc_dooms *dooms);
void tmc_pack_uses_clear(struct tmc_pack_uses *uses);

/** NULL: there is no such pack. */
struct tmc_pack_use *tmc_pack_uses_find(const struct tmc_pack_uses *uses, const struct tmc_id *id);

/** Whether a blob in this pack will be there when the prune is over. */
bool tmc_pack_uses_stays(const struct tmc_pack_uses *uses, const struct tmc_id *id);

struct tmc_pack_rules {
	uint32_t below_percent;    /* a pack of which less is needed is copied ... */
	uint64_t copied_bytes_max; /* ... the least needed ones first, up to so much */
	uint64_t young_ns;         /* what is later than this, by the store's clock, stays */
};

/** Once needed_bytes are known: sets the fates. */
int tmc_pack_uses_choose(struct tmc_pack_uses *uses, struct tmc_store *store,
			 const struct tmc_pack_rules *rules);

#endif

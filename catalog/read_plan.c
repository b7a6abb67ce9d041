// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Packs are taken in the order in which the volume needs them, so that its stripes
 * get complete soon after each other. Neighbours with a small gap between them
 * are read together: reading 64 KiB more is cheaper than a second request.
 */
#include "catalog/read_plan.h"

#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

#define GAP_BYTES   (64u << 10)
#define READ_PIECES 2048u
#define HASH_SLOTS  (4 * TMC_PLAN_PIECES)

struct tmc_read_plan {
	uint32_t nr_pieces, next;
	uint32_t nr_packs;
	struct tmc_piece pieces[TMC_PLAN_PIECES];
	struct tmc_id packs[TMC_PLAN_PIECES]; /* by order */
	uint32_t slots[HASH_SLOTS];           /* 1 + order, by hash of the pack; 0: free */
};

struct tmc_read_plan *tmc_read_plan_create(void)
{
	return calloc(1, sizeof(struct tmc_read_plan));
}

void tmc_read_plan_destroy(struct tmc_read_plan *plan)
{
	free(plan);
}

static uint32_t *slot_of_pack(struct tmc_read_plan *plan, const struct tmc_id *pack)
{
	uint32_t i = (uint32_t)get_be64(pack->bytes) % HASH_SLOTS;

	while (plan->slots[i] && !tmc_id_equal(&plan->packs[plan->slots[i] - 1], pack))
		i = (i + 1) % HASH_SLOTS;
	return &plan->slots[i];
}

void tmc_read_plan_add(struct tmc_read_plan *plan, uint64_t chunk, struct tmc_stripe *stripe,
		       const struct tmc_location *location)
{
	uint32_t *slot = slot_of_pack(plan, &location->pack);

	if (!*slot) {
		plan->packs[plan->nr_packs] = location->pack;
		*slot = ++plan->nr_packs;
	}
	plan->pieces[plan->nr_pieces++] = (struct tmc_piece){
		.chunk = chunk,
		.stripe = stripe,
		.pack_order = *slot - 1,
		.offset = location->entry.offset,
		.blob = location->entry.blob,
	};
}

static int compare_places(const void *a, const void *b)
{
	const struct tmc_piece *piece_a = a, *piece_b = b;

	if (piece_a->pack_order != piece_b->pack_order)
		return piece_a->pack_order < piece_b->pack_order ? -1 : 1;
	if (piece_a->offset != piece_b->offset)
		return piece_a->offset < piece_b->offset ? -1 : 1;
	return piece_a->chunk < piece_b->chunk ? -1 : piece_a->chunk > piece_b->chunk;
}

static int compare_chunks(const void *a, const void *b)
{
	const struct tmc_piece *piece_a = a, *piece_b = b;

	return piece_a->chunk < piece_b->chunk ? -1 : piece_a->chunk > piece_b->chunk;
}

void tmc_read_plan_sort(struct tmc_read_plan *plan)
{
	qsort(plan->pieces, plan->nr_pieces, sizeof(*plan->pieces), compare_places);
	plan->next = 0;
}

static uint64_t piece_end(const struct tmc_piece *piece)
{
	return piece->offset + tmc_blob_disk_bytes(&piece->blob);
}

/* How many pieces from first on go into one read; sets its end. */
static uint32_t read_extent(const struct tmc_read_plan *plan, uint32_t first, uint64_t *ret_end)
{
	const struct tmc_piece *pieces = &plan->pieces[first];
	uint64_t end = piece_end(&pieces[0]);
	uint32_t nr = 1;

	while (first + nr < plan->nr_pieces && nr < READ_PIECES &&
	       pieces[nr].pack_order == pieces[0].pack_order &&
	       pieces[nr].offset <= end + GAP_BYTES &&
	       piece_end(&pieces[nr]) - pieces[0].offset <= TMC_READ_BYTES) {
		if (piece_end(&pieces[nr]) > end)
			end = piece_end(&pieces[nr]);
		nr++;
	}
	*ret_end = end;
	return nr;
}

int tmc_read_plan_next(struct tmc_read_plan *plan, struct tmc_read **ret_read)
{
	const struct tmc_piece *first = &plan->pieces[plan->next];
	struct tmc_read *read;
	uint64_t end;
	uint32_t nr;

	if (plan->next == plan->nr_pieces)
		return 0;
	nr = read_extent(plan, plan->next, &end);
	read = malloc(sizeof(*read) + nr * sizeof(*read->pieces));
	if (!read)
		return failure_set(-ENOMEM, "out of memory");
	*read = (struct tmc_read){
		.pack = plan->packs[first->pack_order],
		.offset = first->offset,
		.bytes = (uint32_t)(end - first->offset),
		.nr_pieces = nr,
	};
	memcpy(read->pieces, first, nr * sizeof(*first));
	qsort(read->pieces, nr, sizeof(*first), compare_chunks);
	plan->next += nr;
	*ret_read = read;
	return 1;
}

void tmc_read_plan_clear(struct tmc_read_plan *plan)
{
	plan->nr_pieces = 0;
	plan->nr_packs = 0;
	plan->next = 0;
	memset(plan->slots, 0, sizeof(plan->slots));
}

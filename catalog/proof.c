// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Three bits per entry are 40 MB for 10^8 chunks; remembering every blob by its
 * hash would be a hundred times that.
 */
#include "catalog/proof.h"

#include "common/failure.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static int compare_mentions(const void *a, const void *b)
{
	const struct tmc_pack_mention *mention_a = a, *mention_b = b;

	return memcmp(&mention_a->pack, &mention_b->pack, sizeof(mention_a->pack));
}

static int collect_mentions(struct tmc_proof *proof, size_t number, size_t *capacity,
			    void (*damage)(void *context), void *context)
{
	struct tmc_index *index = tmc_index_set_get(proof->indexes, number);
	uint32_t nr_packs = tmc_index_nr_packs(index);

	if (proof->nr_mentions + nr_packs > *capacity) {
		size_t new_capacity = 2 * *capacity + nr_packs;
		void *mentions = realloc(proof->mentions, new_capacity * sizeof(*proof->mentions));

		if (!mentions)
			return failure_set(-ENOMEM, "out of memory");
		proof->mentions = mentions;
		*capacity = new_capacity;
	}
	for (uint32_t i = 0; i < nr_packs; i++) {
		struct tmc_pack_mention *mention = &proof->mentions[proof->nr_mentions];

		*mention = (struct tmc_pack_mention){ .number = number, .position = i };
		if (tmc_index_pack(index, i, &mention->pack) < 0)
			damage(context);
		else
			proof->nr_mentions++;
	}
	return 0;
}

static int add_index(struct tmc_proof *proof, size_t *capacity, void (*damage)(void *context),
		     void *context)
{
	size_t n = proof->nr_indexes;
	uint64_t nr_bits = tmc_index_nr_entries(tmc_index_set_get(proof->indexes, n)) *
			   TMC_NR_PROOF_BITS;
	void *bits = realloc(proof->bits, (n + 1) * sizeof(*proof->bits));

	if (!bits)
		return failure_set(-ENOMEM, "out of memory");
	proof->bits = bits;
	proof->bits[n] = calloc(nr_bits / 64 + 1, sizeof(uint64_t));
	if (!proof->bits[n])
		return failure_set(-ENOMEM, "out of memory");
	proof->nr_indexes++;
	return collect_mentions(proof, n, capacity, damage, context);
}

int tmc_proof_init(struct tmc_proof *proof, struct tmc_index_set *indexes,
		   void (*damage)(void *context), void *context)
{
	*proof = (struct tmc_proof){ .indexes = indexes };
	return tmc_proof_grow(proof, damage, context);
}

static _Atomic uint64_t *word_of(const struct tmc_proof *proof, size_t number, uint64_t position,
				 enum tmc_proof_bit bit, uint64_t *ret_mask)
{
	uint64_t nth = position * TMC_NR_PROOF_BITS + bit;

	*ret_mask = 1ull << nth % 64;
	return &proof->bits[number][nth / 64];
}

static void forget_needed(struct tmc_proof *proof)
{
	for (size_t n = 0; n < proof->nr_indexes; n++) {
		uint64_t nr = tmc_index_nr_entries(tmc_index_set_get(proof->indexes, n)), mask;

		for (uint64_t i = 0; i < nr; i++) {
			_Atomic uint64_t *word = word_of(proof, n, i, TMC_PROOF_NEEDED, &mask);

			atomic_fetch_and(word, ~mask);
		}
	}
}

int tmc_proof_grow(struct tmc_proof *proof, void (*damage)(void *context), void *context)
{
	size_t capacity = proof->nr_mentions;
	int ret = 0;

	forget_needed(proof);
	while (!ret && tmc_index_set_get(proof->indexes, proof->nr_indexes))
		ret = add_index(proof, &capacity, damage, context);
	if (proof->nr_mentions)
		qsort(proof->mentions, proof->nr_mentions, sizeof(*proof->mentions),
		      compare_mentions);
	return ret;
}

void tmc_proof_exit(struct tmc_proof *proof)
{
	for (size_t n = 0; proof->bits && n < proof->nr_indexes; n++)
		free(proof->bits[n]);
	free(proof->bits);
	free(proof->mentions);
}

bool tmc_proof_set(struct tmc_proof *proof, size_t number, uint64_t position,
		   enum tmc_proof_bit bit)
{
	uint64_t mask;
	_Atomic uint64_t *word;

	if (number >= proof->nr_indexes)
		return false;
	word = word_of(proof, number, position, bit, &mask);
	return atomic_fetch_or(word, mask) & mask;
}

bool tmc_proof_is_set(const struct tmc_proof *proof, size_t number, uint64_t position,
		      enum tmc_proof_bit bit)
{
	uint64_t mask;
	_Atomic uint64_t *word;

	if (number >= proof->nr_indexes)
		return false;
	word = word_of(proof, number, position, bit, &mask);
	return atomic_load(word) & mask;
}

struct tmc_pack_mention *tmc_proof_mentions(const struct tmc_proof *proof,
					    const struct tmc_id *pack)
{
	size_t low = 0, high = proof->nr_mentions;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memcmp(&proof->mentions[middle].pack, pack, sizeof(*pack)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == proof->nr_mentions || !tmc_id_equal(&proof->mentions[low].pack, pack))
		return NULL;
	return &proof->mentions[low];
}

static bool same_place(const struct tmc_entry *a, const struct tmc_entry *b)
{
	return a->offset == b->offset && a->blob.codec == b->blob.codec &&
	       a->blob.stored_bytes == b->blob.stored_bytes &&
	       a->blob.raw_bytes == b->blob.raw_bytes;
}

void tmc_proof_add_blob(struct tmc_proof *proof, const struct tmc_id *pack,
			const struct tmc_entry *entry)
{
	const struct tmc_pack_mention *end = proof->mentions + proof->nr_mentions;
	const struct tmc_pack_mention *mention = tmc_proof_mentions(proof, pack);

	for (; mention && mention < end && tmc_id_equal(&mention->pack, pack); mention++) {
		struct tmc_location location;

		if (tmc_index_set_find_in(proof->indexes, mention->number, entry->blob.type,
					  &entry->blob.id, &location) > 0 &&
		    location.entry.pack == mention->position &&
		    same_place(&location.entry, entry))
			tmc_proof_set(proof, mention->number, location.position, TMC_PROOF_GOOD);
	}
}

bool tmc_proof_find(const struct tmc_proof *proof, enum tmc_blob_type type,
		    const struct tmc_id *id, struct tmc_location *ret_location)
{
	const struct tmc_location *found = ret_location;

	if (!tmc_index_set_find(proof->indexes, type, id, ret_location) &&
	    tmc_proof_is_set(proof, found->number, found->position, TMC_PROOF_GOOD))
		return true;
	for (size_t n = 0; n < proof->nr_indexes; n++)
		if (tmc_index_set_find_in(proof->indexes, n, type, id, ret_location) > 0 &&
		    tmc_proof_is_set(proof, n, found->position, TMC_PROOF_GOOD))
			return true;
	return false;
}

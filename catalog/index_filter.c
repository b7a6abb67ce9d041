// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A filter block keeps eight bits of every id in its range of ids, in the order of
 * the entries, under 2048 buckets whose sizes are written in unary. So it costs
 * less than a Bloom filter that errs as often, and the rank of an id among them is
 * the position of its entry: what is here is found with one more read.
 * docs/index.md has the figures.
 */
#include "catalog/index_filter.h"

#define BUCKET_BITS      11
#define FINGERPRINT_BITS 8

uint32_t tmc_index_filter_blocks(uint64_t nr_entries)
{
	uint64_t nr = (nr_entries + TMC_INDEX_FILTER_MEAN - 1) / TMC_INDEX_FILTER_MEAN;

	if (nr_entries < TMC_INDEX_FILTER_MIN)
		return 0;
	return nr < UINT32_MAX ? (uint32_t)nr : UINT32_MAX;
}

struct tmc_filter_key tmc_filter_key(const struct tmc_id *id, uint32_t nr_filter_blocks)
{
	unsigned __int128 product = (unsigned __int128)get_be64(id->bytes) * nr_filter_blocks;
	uint64_t fraction = (uint64_t)product;

	return (struct tmc_filter_key){
		.block = (uint32_t)(product >> 64),
		.bucket = (uint16_t)(fraction >> (64 - BUCKET_BITS)),
		.fingerprint = (uint8_t)(fraction >> (64 - BUCKET_BITS - FINGERPRINT_BITS)),
	};
}

static uint64_t get_word(const struct tmc_index_filter_disk *filter, uint32_t nth)
{
	le64_t word;

	memcpy(&word, filter->buckets + nth * sizeof(word), sizeof(word));
	return get_le64(word);
}

/* The bit after the zero that ends bucket nr - 1; the ones before it are of buckets below nr. */
static bool bucket_begin(const struct tmc_index_filter_disk *filter, uint32_t nr, uint32_t *ret_bit)
{
	uint32_t nr_zeros = 0;

	*ret_bit = 0;
	for (uint32_t nth = 0; nr && nth < sizeof(filter->buckets) / 8; nth++) {
		uint64_t zeros = ~get_word(filter, nth);
		uint32_t here = (uint32_t)__builtin_popcountll(zeros);

		if (nr_zeros + here < nr) {
			nr_zeros += here;
			continue;
		}
		while (++nr_zeros < nr)
			zeros &= zeros - 1;
		*ret_bit = nth * 64 + (uint32_t)__builtin_ctzll(zeros) + 1;
		return true;
	}
	return !nr;
}

static bool get_bit(const struct tmc_index_filter_disk *filter, uint32_t bit)
{
	return bit < 8 * sizeof(filter->buckets) && filter->buckets[bit / 8] >> bit % 8 & 1;
}

bool tmc_index_filter_find(const struct tmc_index_filter_disk *filter, uint64_t nr_entries,
			   const struct tmc_filter_key *key, uint64_t *ret_first, uint32_t *ret_nr)
{
	uint64_t first = get_le64(filter->first);
	uint32_t nr = get_le32(filter->nr), bit, nth;

	if (first > nr_entries || nr > nr_entries - first)
		return false;
	*ret_first = first;
	*ret_nr = nr;
	if (nr > TMC_INDEX_FILTER_IDS)
		return true;
	if (!bucket_begin(filter, key->bucket, &bit))
		return false;
	*ret_nr = 0;
	for (nth = bit - key->bucket; get_bit(filter, bit); nth++, bit++) {
		if (nth >= nr)
			return false;
		if (filter->fingerprints[nth] != key->fingerprint)
			continue;
		if (!*ret_nr)
			*ret_first = first + nth;
		*ret_nr = (uint32_t)(first + nth + 1 - *ret_first);
	}
	return true;
}

void tmc_filter_builder_init(struct tmc_filter_builder *builder, uint32_t nr_filter_blocks)
{
	memset(builder, 0, sizeof(*builder));
	builder->nr_filter_blocks = nr_filter_blocks;
}

bool tmc_filter_builder_is_full(const struct tmc_filter_builder *builder, const struct tmc_id *id)
{
	return builder->block < tmc_filter_key(id, builder->nr_filter_blocks).block;
}

void tmc_filter_builder_done(struct tmc_filter_builder *builder)
{
	builder->block++;
	memset(&builder->filter, 0, sizeof(builder->filter));
	builder->filter.first = put_le64(builder->nr_entries);
}

void tmc_filter_builder_add(struct tmc_filter_builder *builder, const struct tmc_id *id)
{
	struct tmc_index_filter_disk *filter = &builder->filter;
	struct tmc_filter_key key = tmc_filter_key(id, builder->nr_filter_blocks);
	uint32_t nth = get_le32(filter->nr), bit = key.bucket + nth;

	builder->nr_entries++;
	filter->nr = put_le32(nth + 1);
	if (nth < TMC_INDEX_FILTER_IDS) {
		filter->buckets[bit / 8] |= (uint8_t)(1u << bit % 8);
		filter->fingerprints[nth] = key.fingerprint;
	} else if (nth == TMC_INDEX_FILTER_IDS) { /* more than there is room for: the range alone */
		memset(filter->buckets, 0, sizeof(filter->buckets));
		memset(filter->fingerprints, 0, sizeof(filter->fingerprints));
	}
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two passes over the sorted stream: an index begins with its number of entries,
 * and only the first pass knows how many are chosen, and which packs they are in.
 */
#include "catalog/index_merge.h"

#include "catalog/index_stream.h"
#include "catalog/index_writer.h"
#include "catalog/pack_table.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct pass {
	const struct tmc_index_merge *merge;
	struct tmc_pack_table *packs;
	struct tmc_index_writer *writer; /* NULL in the first pass */
	struct tmc_merge_place *places;  /* of one blob: nr_indexes */
	size_t nr_places;
	uint64_t nr_entries;
	uint64_t incompat; /* of all entries */
};

static int finish_blob(struct pass *pass)
{
	const struct tmc_index_merge *merge = pass->merge;
	struct tmc_merge_place place = pass->places[0];
	int ret = 1;

	if (merge->choose)
		ret = merge->choose(merge->context, pass->places, pass->nr_places, &place);
	pass->nr_places = 0;
	if (ret <= 0)
		return ret;
	ret = tmc_pack_table_add(pass->packs, &place.pack, &place.entry.pack);
	if (ret < 0)
		return ret;
	pass->nr_entries++;
	pass->incompat |= tmc_blob_incompat(&place.entry.blob);
	return pass->writer ? tmc_index_writer_add(pass->writer, &place.entry) : 0;
}

static int add_place(struct pass *pass, const struct tmc_entry *entry, size_t number,
		     uint64_t position)
{
	struct tmc_merge_place *place;
	int ret = 0;

	if (pass->nr_places && tmc_entry_compare(&pass->places[0].entry, entry))
		ret = finish_blob(pass);
	if (ret < 0)
		return ret;
	if (pass->nr_places == pass->merge->nr_indexes)
		return failure_set(-EBADMSG, "%s is damaged: it has a block twice",
				   tmc_index_text(pass->merge->indexes[number]));
	place = &pass->places[pass->nr_places++];
	place->entry = *entry;
	place->number = number;
	place->position = position;
	return tmc_index_pack(pass->merge->indexes[number], entry->pack, &place->pack);
}

static int run(struct pass *pass)
{
	CLEANUP_INDEX_STREAM struct tmc_index_stream *stream = NULL;
	struct tmc_entry entry;
	uint64_t position;
	size_t number;
	int ret = tmc_index_stream_create(pass->merge->indexes, pass->merge->nr_indexes, &stream);

	if (ret < 0)
		return ret;
	while ((ret = tmc_index_stream_next(stream, &entry, &number, &position)) > 0) {
		ret = add_place(pass, &entry, number, position);
		if (ret < 0)
			return ret;
	}
	return ret || !pass->nr_places ? ret : finish_blob(pass);
}

static int write_index(struct pass *pass, uint64_t nr_entries)
{
	CLEANUP_INDEX_WRITER struct tmc_index_writer *writer = NULL;
	const struct tmc_index_merge *merge = pass->merge;
	uint32_t nr_packs = pass->packs->nr;
	int ret = tmc_index_writer_begin(merge->store, merge->keys, -1, nr_entries, nr_packs,
					 pass->incompat, &writer);

	if (ret < 0)
		return ret;
	pass->writer = writer;
	ret = run(pass);
	if (!ret && pass->packs->nr != nr_packs)
		ret = failure_set(-EIO, "a merged index got other packs than announced");
	return ret ? ret : tmc_index_writer_finish(writer, pass->packs->packs);
}

int tmc_index_merge(const struct tmc_index_merge *merge, uint64_t *ret_nr_entries)
{
	CLEANUP_PACK_TABLE struct tmc_pack_table packs = { 0 };
	CLEANUP_FREE struct tmc_merge_place *places = calloc(merge->nr_indexes + 1,
							     sizeof(*places));
	struct pass pass = { .merge = merge, .packs = &packs, .places = places };
	int ret;

	if (!places)
		return failure_set(-ENOMEM, "out of memory");
	ret = run(&pass);
	*ret_nr_entries = pass.nr_entries;
	if (ret < 0 || !pass.nr_entries)
		return ret;
	pass.nr_entries = 0;
	return write_index(&pass, *ret_nr_entries);
}

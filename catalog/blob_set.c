// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A hash table in memory, and once that is full, sorted runs in scratch files in
 * the form of an index, so that they can be searched like one. Eight runs of one
 * size are merged into one of the next. Memory is bounded, however
 * large the backup; a lookup asks the table, at most a few dozen runs, then the
 * indexes of the repository.
 *
 * A claim is entered before runs and indexes are searched. An entry moves from
 * the table to a run under both locks. So of two threads with one blob the
 * second finds the claim of the first wherever it is by then.
 */
#include "catalog/blob_set.h"

#include "catalog/index_stream.h"
#include "catalog/index_writer.h"
#include "catalog/pack_writer.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>

#define SLOTS_FIRST (1u << 12)
#define RUNS_MERGED 8
#define RUNS_MAX    128

enum slot_state {
	SLOT_FREE,
	SLOT_CLAIMED,
	SLOT_LOCATED,
	SLOT_ELSEWHERE, /* the repository had it already */
};

struct slot {
	struct tmc_entry entry;
	uint8_t state;
};

struct run {
	struct tmc_index *index;
	unsigned int level; /* merged so often */
};

struct tmc_blob_set {
	struct tmc_store *store;
	struct tmc_keys *keys;
	struct tmc_index_set *known;
	uint32_t nr_slots_max;

	pthread_mutex_t lock; /* the table; taken before runs_lock */
	struct slot *slots;
	uint32_t nr_slots, nr_used;
	uint64_t incompat; /* of all entries */

	pthread_rwlock_t runs_lock; /* all below; written with both locks held */
	struct run runs[RUNS_MAX];
	size_t nr_runs;
};

struct tmc_blob_set *tmc_blob_set_create(struct tmc_store *store, struct tmc_keys *keys,
					 struct tmc_index_set *known, uint32_t nr_slots)
{
	struct tmc_blob_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->store = store;
	set->keys = keys;
	set->known = known;
	set->nr_slots_max = nr_slots;
	set->nr_slots = nr_slots < SLOTS_FIRST ? nr_slots : SLOTS_FIRST;
	set->slots = calloc(set->nr_slots, sizeof(*set->slots));
	if (!set->slots) {
		free(set);
		return NULL;
	}
	pthread_mutex_init(&set->lock, NULL);
	pthread_rwlock_init(&set->runs_lock, NULL);
	return set;
}

void tmc_blob_set_destroy(struct tmc_blob_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->nr_runs; i++)
		tmc_index_close(set->runs[i].index);
	pthread_rwlock_destroy(&set->runs_lock);
	pthread_mutex_destroy(&set->lock);
	free(set->slots);
	free(set);
}

/* The slot of a blob, or the free one where it belongs; there always is one. */
static struct slot *find_slot(struct slot *slots, uint32_t nr_slots, enum tmc_blob_type type,
			      const struct tmc_id *id)
{
	uint32_t i = (uint32_t)get_be64(id->bytes) & (nr_slots - 1);

	while (slots[i].state != SLOT_FREE &&
	       (slots[i].entry.blob.type != type || !tmc_id_equal(&slots[i].entry.blob.id, id)))
		i = (i + 1) & (nr_slots - 1);
	return &slots[i];
}

/* Move to a table of another size: everything, or only what has no place yet. */
static int rebuild_locked(struct tmc_blob_set *set, uint32_t nr_slots, bool only_claimed)
{
	struct slot *slots = calloc(nr_slots, sizeof(*slots));

	if (!slots)
		return failure_set(-ENOMEM, "out of memory");
	set->nr_used = 0;
	for (uint32_t i = 0; i < set->nr_slots; i++) {
		struct slot *slot = &set->slots[i];

		if (slot->state == SLOT_FREE || (only_claimed && slot->state != SLOT_CLAIMED))
			continue;
		*find_slot(slots, nr_slots, slot->entry.blob.type, &slot->entry.blob.id) = *slot;
		set->nr_used++;
	}
	free(set->slots);
	set->slots = slots;
	set->nr_slots = nr_slots;
	return 0;
}

/* ------------------------------------------------------------------------ runs */

static int compare_slots(const void *a, const void *b)
{
	const struct slot *const *slot_a = a, *const *slot_b = b;

	return tmc_entry_compare(&(*slot_a)->entry, &(*slot_b)->entry);
}

/* Write the table's located entries in order; scratch_fd as in the index writer. */
static int write_slots_locked(struct tmc_blob_set *set, int scratch_fd, const struct tmc_id *packs,
			      uint32_t nr_packs, uint64_t *ret_nr)
{
	CLEANUP_INDEX_WRITER struct tmc_index_writer *writer = NULL;
	CLEANUP_FREE struct slot **sorted = malloc(set->nr_slots * sizeof(*sorted));
	size_t nr = 0;
	int ret;

	if (!sorted)
		return failure_set(-ENOMEM, "out of memory");
	for (uint32_t i = 0; i < set->nr_slots; i++)
		if (set->slots[i].state == SLOT_LOCATED)
			sorted[nr++] = &set->slots[i];
	*ret_nr = nr;
	if (!nr)
		return 0;
	qsort(sorted, nr, sizeof(*sorted), compare_slots);
	ret = tmc_index_writer_begin(set->store, set->keys, scratch_fd, nr, nr_packs,
				     set->incompat, &writer);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = tmc_index_writer_add(writer, &sorted[i]->entry);
	return ret ? ret : tmc_index_writer_finish(writer, packs);
}

static int merge_runs(struct tmc_blob_set *set, const struct run *runs, size_t nr_runs,
		      int scratch_fd, const struct tmc_id *packs, uint32_t nr_packs)
{
	CLEANUP_INDEX_WRITER struct tmc_index_writer *writer = NULL;
	CLEANUP_INDEX_STREAM struct tmc_index_stream *stream = NULL;
	struct tmc_index *indexes[RUNS_MAX];
	struct tmc_entry entry;
	uint64_t nr_entries = 0;
	size_t number;
	int ret;

	for (size_t i = 0; i < nr_runs; i++) {
		indexes[i] = runs[i].index;
		nr_entries += tmc_index_nr_entries(runs[i].index);
	}
	ret = tmc_index_stream_create(indexes, nr_runs, &stream);
	if (!ret)
		ret = tmc_index_writer_begin(set->store, set->keys, scratch_fd, nr_entries,
					     nr_packs, set->incompat, &writer);
	if (ret < 0)
		return ret;
	while ((ret = tmc_index_stream_next(stream, &entry, &number, NULL)) > 0) {
		ret = tmc_index_writer_add(writer, &entry);
		if (ret < 0)
			return ret;
	}
	return ret ? ret : tmc_index_writer_finish(writer, packs);
}

/* Append a run, replacing the last nr_merged ones. Takes the descriptor. */
static int add_run_locked(struct tmc_blob_set *set, int fd, unsigned int level, size_t nr_merged)
{
	struct tmc_index *index;
	int ret = tmc_index_open_scratch(fd, set->keys, &index);

	if (ret < 0)
		return ret;
	if (set->nr_runs - nr_merged == RUNS_MAX) {
		tmc_index_close(index);
		return failure_set(-EFBIG, "the backup is too large");
	}
	pthread_rwlock_wrlock(&set->runs_lock);
	while (nr_merged--)
		tmc_index_close(set->runs[--set->nr_runs].index);
	set->runs[set->nr_runs++] = (struct run){ .index = index, .level = level };
	pthread_rwlock_unlock(&set->runs_lock);
	return 0;
}

static int merge_levels_locked(struct tmc_blob_set *set)
{
	while (set->nr_runs >= RUNS_MERGED &&
	       set->runs[set->nr_runs - RUNS_MERGED].level == set->runs[set->nr_runs - 1].level) {
		const struct run *first = &set->runs[set->nr_runs - RUNS_MERGED];
		int fd;
		int ret = tmc_store_scratch(set->store, &fd);

		if (ret < 0)
			return ret;
		ret = merge_runs(set, first, RUNS_MERGED, fd, NULL, 0);
		if (ret < 0) {
			close(fd);
			return ret;
		}
		ret = add_run_locked(set, fd, first->level + 1, RUNS_MERGED);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int spill_locked(struct tmc_blob_set *set)
{
	uint64_t nr;
	int fd;
	int ret = tmc_store_scratch(set->store, &fd);

	if (ret < 0)
		return ret;
	ret = write_slots_locked(set, fd, NULL, 0, &nr);
	if (ret < 0 || !nr) {
		close(fd);
		return ret;
	}
	ret = add_run_locked(set, fd, 0, 0);
	return ret ? ret : merge_levels_locked(set);
}

static int make_room_locked(struct tmc_blob_set *set)
{
	int ret;

	if (set->nr_used < set->nr_slots / 4 * 3)
		return 0;
	if (set->nr_slots < set->nr_slots_max)
		return rebuild_locked(set, 2 * set->nr_slots, false);
	ret = spill_locked(set);
	return ret ? ret : rebuild_locked(set, set->nr_slots, true);
}

/* ----------------------------------------------------------------------- claim */

/* 1: newly claimed; 0: somebody has. */
static int enter(struct tmc_blob_set *set, enum tmc_blob_type type, const struct tmc_id *id)
{
	struct slot *slot;
	int ret;

	LOCK_SCOPE(&set->lock);
	ret = make_room_locked(set);
	if (ret < 0)
		return ret;
	slot = find_slot(set->slots, set->nr_slots, type, id);
	if (slot->state != SLOT_FREE)
		return 0;
	slot->state = SLOT_CLAIMED;
	slot->entry.blob.type = type;
	slot->entry.blob.id = *id;
	set->nr_used++;
	return 1;
}

static int find_in_runs(struct tmc_blob_set *set, enum tmc_blob_type type, const struct tmc_id *id)
{
	struct tmc_entry entry;
	int ret = 0;

	pthread_rwlock_rdlock(&set->runs_lock);
	for (size_t i = 0; i < set->nr_runs && !ret; i++)
		ret = tmc_index_find(set->runs[i].index, type, id, &entry, NULL);
	pthread_rwlock_unlock(&set->runs_lock);
	return ret;
}

int tmc_blob_set_claim(struct tmc_blob_set *set, enum tmc_blob_type type, const struct tmc_id *id)
{
	int ret = enter(set, type, id);

	if (ret <= 0)
		return ret;
	ret = find_in_runs(set, type, id);
	if (!ret)
		ret = tmc_index_set_has(set->known, type, id);
	if (ret <= 0)
		return ret < 0 ? ret : 1;
	LOCK_SCOPE(&set->lock);
	find_slot(set->slots, set->nr_slots, type, id)->state = SLOT_ELSEWHERE;
	return 0;
}

void tmc_blob_set_locate(struct tmc_blob_set *set, const struct tmc_entry *entries, size_t nr)
{
	LOCK_SCOPE(&set->lock);
	for (size_t i = 0; i < nr; i++) {
		struct slot *slot = find_slot(set->slots, set->nr_slots, entries[i].blob.type,
					      &entries[i].blob.id);

		slot->entry = entries[i];
		set->incompat |= tmc_blob_incompat(&entries[i].blob);
		slot->state = SLOT_LOCATED;
	}
}

int tmc_blob_set_commit(struct tmc_blob_set *set, const struct tmc_id *packs, uint32_t nr_packs)
{
	uint64_t nr;
	int ret;

	LOCK_SCOPE(&set->lock);
	if (!set->nr_runs)
		return write_slots_locked(set, -1, packs, nr_packs, &nr);
	ret = spill_locked(set);
	return ret ? ret : merge_runs(set, set->runs, set->nr_runs, -1, packs, nr_packs);
}

int tmc_blob_set_publish(struct tmc_blob_set *set, struct tmc_pack_writer *packs)
{
	const struct tmc_id *names;
	uint32_t nr;
	int ret = tmc_pack_writer_finish(packs);

	if (ret < 0)
		return ret;
	names = tmc_pack_writer_packs(packs, &nr);
	ret = tmc_blob_set_commit(set, names, nr);
	return ret ? ret : tmc_store_sync_index(set->store);
}

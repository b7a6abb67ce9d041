// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which segments there are. Names bring those of a stretch together, and in order: of each
 * stretch one table is read, which tells the volume, and of the others the ends.
 */
#include "catalog/segment.h"

#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

struct listed {
	struct tmc_segment segment;
	uint64_t begun_ns; /* its stretch */
};

static int compare_segments(const void *a, const void *b)
{
	const struct listed *listed_a = a, *listed_b = b;

	if (listed_a->begun_ns != listed_b->begun_ns)
		return listed_a->begun_ns < listed_b->begun_ns ? -1 : 1;
	return tmc_id_compare(&listed_a->segment.id, &listed_b->segment.id);
}

/* Of one stretch; returns damage, of which the first is the one that is told. */
static int list_stretch(struct tmc_repo *repo, const char *volume_id, const struct tmc_id *ids,
			size_t nr_ids, struct listed *listed, size_t *nr, uint64_t *damaged_seq)
{
	char found_id[TMC_TEXT_BYTES];
	struct listed *first = NULL;
	int damage = 0;

	for (size_t i = 0; i < nr_ids; i++) {
		struct listed *next = &listed[*nr];
		int ret = tmc_segment_look(repo, &ids[i], &next->segment,
					   first || !volume_id ? NULL : found_id);

		if (ret < 0) {
			if (ret == -ENOENT) /* gone since it was listed */
				continue;
			damage = ret;
			if (tmc_segment_id_seq(&ids[i]) > *damaged_seq)
				*damaged_seq = tmc_segment_id_seq(&ids[i]);
			continue;
		}
		if (!first && volume_id && strcmp(found_id, volume_id))
			return damage;
		if (!first)
			first = next;
		next->begun_ns = first->segment.first_time_ns;
		++*nr;
	}
	return damage;
}

static size_t count_stretch(const struct tmc_id *ids, size_t nr_ids)
{
	uint64_t stretch = tmc_segment_id_stretch(ids);
	size_t nr = 1;

	while (nr < nr_ids && tmc_segment_id_stretch(&ids[nr]) == stretch)
		nr++;
	return nr;
}

/*
 * Dooms are listed first: a segment that is gone by its doom's sweep is not in the list that
 * comes later. A damaged one makes this return -EBADMSG, with what the others do not list.
 */
static int list_ids(struct tmc_repo *repo, struct tmc_id **ret_ids, size_t *ret_nr)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	int damage = tmc_dooms_load(repo->store, repo->keys, &dooms), ret;
	size_t nr_all = 0;

	if (damage < 0 && damage != -EBADMSG)
		return damage;
	ret = tmc_store_list(repo->store, TMC_STORE_JOURNAL, ret_ids, &nr_all);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr_all; i++)
		if (!tmc_dooms_list(&dooms, TMC_STORE_JOURNAL, &(*ret_ids)[i]))
			(*ret_ids)[(*ret_nr)++] = (*ret_ids)[i];
	return damage;
}

/* damaged_seq: the highest one in the name of a damaged segment, 0 if there is none. */
static int list(struct tmc_repo *repo, const char *volume_id, struct tmc_segment **ret_segments,
		size_t *ret_nr, uint64_t *damaged_seq)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	CLEANUP_FREE struct listed *listed = NULL;
	struct tmc_segment *segments;
	size_t nr_ids = 0, nr = 0, part;
	int ret = tmc_keys_check(repo->keys), damage;

	*ret_segments = NULL;
	*ret_nr = 0;
	*damaged_seq = 0;
	if (ret < 0)
		return ret;
	damage = list_ids(repo, &ids, &nr_ids);
	if (damage < 0 && damage != -EBADMSG)
		return damage;
	listed = calloc(nr_ids + 1, sizeof(*listed));
	segments = calloc(nr_ids + 1, sizeof(*segments));
	if (!listed || !segments) {
		free(segments);
		return failure_set(-ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < nr_ids; i += part) {
		part = count_stretch(ids + i, nr_ids - i);
		ret = list_stretch(repo, volume_id, ids + i, part, listed, &nr, damaged_seq);
		damage = ret ? ret : damage;
	}
	qsort(listed, nr, sizeof(*listed), compare_segments);
	for (size_t i = 0; i < nr; i++)
		segments[i] = listed[i].segment;
	*ret_segments = segments;
	*ret_nr = nr;
	return damage;
}

int tmc_segment_list(struct tmc_repo *repo, const char *volume_id,
		     struct tmc_segment **ret_segments, size_t *ret_nr)
{
	uint64_t damaged_seq;

	return list(repo, volume_id, ret_segments, ret_nr, &damaged_seq);
}

int tmc_segment_last_seq(struct tmc_repo *repo, const char *volume_id, uint64_t *ret_seq)
{
	CLEANUP_FREE struct tmc_segment *segments = NULL;
	size_t nr;
	int ret = list(repo, volume_id, &segments, &nr, ret_seq);

	for (size_t i = 0; i < nr; i++)
		if (segments[i].last_seq > *ret_seq)
			*ret_seq = segments[i].last_seq;
	return ret;
}

/* Damaged dooms list something, and that may be the segment. */
static int check_is_last(struct tmc_repo *repo, const struct tmc_id *id)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	bool is_there = false;
	size_t nr = 0;
	int ret = list_ids(repo, &ids, &nr);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		is_there |= tmc_id_equal(&ids[i], id);
		if (tmc_segment_id_stretch(&ids[i]) == tmc_segment_id_stretch(id) &&
		    tmc_segment_id_seq(&ids[i]) >= tmc_segment_id_seq(id) &&
		    !tmc_id_equal(&ids[i], id))
			return failure_set(-ESTALE, "the stretch has a later segment");
	}
	return is_there ? 0 : failure_set(-ENOENT, "the segment is not there any more");
}

int tmc_segment_check_end(struct tmc_repo *repo, const char *volume_id, uint64_t stretch,
			  uint64_t next_seq, const struct tmc_id *id)
{
	char found_id[TMC_TEXT_BYTES];
	struct tmc_segment segment;
	int ret = tmc_segment_look(repo, id, &segment, found_id);

	if (ret < 0)
		return ret;
	if (segment.stretch != stretch || segment.last_seq != next_seq - 1 ||
	    strcmp(found_id, volume_id) != 0)
		return failure_set(-ESTALE, "the segment is not the one that was left off at");
	return check_is_last(repo, id);
}

static void close_cleanup(struct tmc_segment_reader **reader)
{
	tmc_segment_close(*reader);
}

int tmc_segment_read(struct tmc_repo *repo, const struct tmc_segment *segment,
		     int (*record)(void *context, const struct tmc_record *record), void *context)
{
	CLEANUP(close_cleanup) struct tmc_segment_reader *reader = NULL;
	uint8_t text[TMC_MARK_BYTES_MAX];
	int ret = tmc_segment_open(repo, &segment->id, &reader);

	for (uint32_t n = 0; !ret && n < tmc_segment_nr_records(reader); n++) {
		struct tmc_record next;

		tmc_segment_record(reader, n, &next);
		if (next.type == TMC_RECORD_MARK) {
			ret = tmc_segment_payload(reader, n, text);
			next.payload = text;
		}
		if (!ret)
			ret = record(context, &next);
		if (ret > 0)
			ret = 0;
	}
	return ret;
}

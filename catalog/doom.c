// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * There are few dooms at a time, so each is asked; within one, ids are searched.
 */
#include "catalog/doom.h"

#include "catalog/object.h"
#include "catalog/id.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------ lists */

bool tmc_id_list_has(const struct tmc_id_list *list, const struct tmc_id *id)
{
	return list->nr && bsearch(id, list->ids, list->nr, sizeof(*id), tmc_id_compare);
}

int tmc_id_list_add(struct tmc_id_list *list, const struct tmc_id *id)
{
	if (!(list->nr & (list->nr - 1))) { /* full at powers of two */
		void *ids = realloc(list->ids, (list->nr ? 2 * list->nr : 1) * sizeof(*id));

		if (!ids)
			return failure_set(-ENOMEM, "out of memory");
		list->ids = ids;
	}
	list->ids[list->nr++] = *id;
	return 0;
}

void tmc_id_list_sort(struct tmc_id_list *list)
{
	size_t nr = 0;

	if (list->nr)
		qsort(list->ids, list->nr, sizeof(*list->ids), tmc_id_compare);
	for (size_t i = 0; i < list->nr; i++)
		if (!nr || !tmc_id_equal(&list->ids[i], &list->ids[nr - 1]))
			list->ids[nr++] = list->ids[i];
	list->nr = nr;
}

void tmc_id_list_clear(struct tmc_id_list *list)
{
	free(list->ids);
	*list = (struct tmc_id_list){ 0 };
}

/* ------------------------------------------------------------------------- doom */

static const struct tmc_object_kind doom_kind = {
	.store_kind = TMC_STORE_DOOM,
	.type = TMC_OBJECT_DOOM,
	.bytes_min = sizeof(struct tmc_doom_disk),
	.bytes_max = TMC_DOOM_BYTES_MAX + 64, /* and the seal */
};

void tmc_doom_clear(struct tmc_doom *doom)
{
	tmc_id_list_clear(&doom->points);
	tmc_id_list_clear(&doom->indexes);
	tmc_id_list_clear(&doom->packs);
	tmc_id_list_clear(&doom->segments);
}

static uint8_t *put_list(uint8_t *p, const struct tmc_id_list *list)
{
	if (list->nr)
		memcpy(p, list->ids, list->nr * sizeof(*list->ids));
	return p + list->nr * sizeof(*list->ids);
}

int tmc_doom_store(struct tmc_store *store, struct tmc_keys *keys, struct tmc_doom *doom)
{
	struct tmc_doom_disk disk = {
		.generation = put_le64(doom->generation),
		.nr_points = put_le32((uint32_t)doom->points.nr),
		.nr_indexes = put_le32((uint32_t)doom->indexes.nr),
		.nr_packs = put_le32((uint32_t)doom->packs.nr),
		.nr_segments = put_le32((uint32_t)doom->segments.nr),
	};
	uint64_t bytes = sizeof(disk) + sizeof(struct tmc_id) *
			 ((uint64_t)doom->points.nr + doom->indexes.nr + doom->packs.nr +
			  doom->segments.nr);
	struct tmc_object_kind kind = doom_kind;
	CLEANUP_FREE uint8_t *image = NULL;
	uint8_t *end;

	if (bytes > TMC_DOOM_BYTES_MAX)
		return failure_set(-EFBIG, "there is too much to remove at once: bound it with "
				   "--max-repack");
	image = malloc(bytes);
	if (!image)
		return failure_set(-ENOMEM, "out of memory");
	memcpy(image, &disk, sizeof(disk));
	end = put_list(put_list(image + sizeof(disk), &doom->points), &doom->indexes);
	put_list(put_list(end, &doom->packs), &doom->segments);
	kind.incompat = doom->segments.nr ? TMC_INCOMPAT_SEGMENTS : 0;
	return tmc_object_store(store, keys, &kind, image, bytes, &doom->id);
}

/* False where there is no room, or the ids do not ascend. */
static bool get_list(const uint8_t **p, uint32_t nr, struct tmc_id_list *list)
{
	if (!nr)
		return true;
	list->ids = malloc(nr * sizeof(*list->ids));
	if (!list->ids)
		return false;
	memcpy(list->ids, *p, nr * sizeof(*list->ids));
	*p += nr * sizeof(*list->ids);
	list->nr = nr;
	for (uint32_t i = 1; i < nr; i++)
		if (tmc_id_compare(&list->ids[i - 1], &list->ids[i]) >= 0)
			return false;
	return true;
}

/* Who does not know the list would take the doom for damaged. */
static bool says_that_it_lists_segments(const struct tmc_doom_disk *disk)
{
	return get_le64(disk->header.incompat) & TMC_INCOMPAT_SEGMENTS;
}

static bool parse(const uint8_t *image, size_t bytes, struct tmc_doom *doom)
{
	const uint8_t *p = image + sizeof(struct tmc_doom_disk);
	struct tmc_doom_disk disk;
	uint64_t nr;

	memcpy(&disk, image, sizeof(disk));
	nr = (uint64_t)get_le32(disk.nr_points) + get_le32(disk.nr_indexes) +
	     get_le32(disk.nr_packs) + get_le32(disk.nr_segments);
	if (says_that_it_lists_segments(&disk) != (get_le32(disk.nr_segments) > 0))
		return false;
	if (bytes != sizeof(disk) + nr * sizeof(struct tmc_id) ||
	    !is_zero(disk.zero, sizeof(disk.zero)))
		return false;
	doom->generation = get_le64(disk.generation);
	return get_list(&p, get_le32(disk.nr_points), &doom->points) &&
	       get_list(&p, get_le32(disk.nr_indexes), &doom->indexes) &&
	       get_list(&p, get_le32(disk.nr_packs), &doom->packs) &&
	       get_list(&p, get_le32(disk.nr_segments), &doom->segments);
}

int tmc_doom_load(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		  struct tmc_doom *doom)
{
	CLEANUP_FREE uint8_t *image = NULL;
	char what[TMC_STORE_TEXT];
	size_t bytes;
	int ret = tmc_object_load(store, keys, &doom_kind, id, &image, &bytes);

	*doom = (struct tmc_doom){ .id = *id };
	if (!ret && !parse(image, bytes, doom)) {
		tmc_doom_clear(doom);
		ret = failure_set(-EBADMSG, "%s is damaged: it makes no sense",
				  tmc_store_describe(store, TMC_STORE_DOOM, id, what));
	}
	if (ret == -EBADMSG)
		return failure_set(ret, "%s; it only lists what a prune was about to remove: "
				   "\"tidemark repair --apply\" puts it aside, and the next prune "
				   "lists that again", failure_text());
	return ret;
}

/* ------------------------------------------------------------------------ dooms */

int tmc_dooms_load(struct tmc_store *store, struct tmc_keys *keys, struct tmc_dooms *ret_dooms)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int damage = 0, ret = tmc_store_list(store, TMC_STORE_DOOM, &ids, &nr);

	*ret_dooms = (struct tmc_dooms){ 0 };
	if (ret < 0 || !nr)
		return ret;
	ret_dooms->dooms = calloc(nr, sizeof(*ret_dooms->dooms));
	if (!ret_dooms->dooms)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		ret = tmc_doom_load(store, keys, &ids[i], &ret_dooms->dooms[ret_dooms->nr]);
		if (!ret)
			ret_dooms->nr++;
		else if (ret != -ENOENT)
			damage = ret;
	}
	return damage;
}

void tmc_dooms_clear(struct tmc_dooms *dooms)
{
	for (size_t i = 0; i < dooms->nr; i++)
		tmc_doom_clear(&dooms->dooms[i]);
	free(dooms->dooms);
	*dooms = (struct tmc_dooms){ 0 };
}

static const struct tmc_id_list *list_of(const struct tmc_doom *doom, enum tmc_store_kind kind)
{
	switch (kind) {
	case TMC_STORE_POINT:
		return &doom->points;
	case TMC_STORE_INDEX:
		return &doom->indexes;
	case TMC_STORE_JOURNAL:
		return &doom->segments;
	default:
		return &doom->packs;
	}
}

bool tmc_dooms_list(const struct tmc_dooms *dooms, enum tmc_store_kind kind,
		    const struct tmc_id *id)
{
	for (size_t i = 0; i < dooms->nr; i++)
		if (tmc_id_list_has(list_of(&dooms->dooms[i], kind), id))
			return true;
	return false;
}

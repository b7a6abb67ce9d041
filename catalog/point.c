// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A point is small and read as a whole; its hash is its name.
 */
#include "catalog/point.h"

#include "catalog/doom.h"
#include "catalog/generation.h"
#include "catalog/object.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/zero.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>

static const struct tmc_object_kind point_kind = {
	.store_kind = TMC_STORE_POINT,
	.type = TMC_OBJECT_POINT,
	.bytes_min = sizeof(struct tmc_point_disk),
	.bytes_max = TMC_POINT_BYTES_MAX,
};

static const struct tmc_object_kind aside_kind = { /* put aside by repair */
	.store_kind = TMC_STORE_ASIDE_POINT,
	.type = TMC_OBJECT_POINT,
	.bytes_min = sizeof(struct tmc_point_disk),
	.bytes_max = TMC_POINT_BYTES_MAX,
};

static const size_t string_offsets[] = { /* by tag - 1 */
	offsetof(struct tmc_point, volume.volume_id),
	offsetof(struct tmc_point, volume.name),
	offsetof(struct tmc_point, volume.host),
	offsetof(struct tmc_point, volume.fs_type),
	offsetof(struct tmc_point, volume.fs_uuid),
	offsetof(struct tmc_point, volume.fs_label),
	offsetof(struct tmc_point, group),
};
#define NR_STRINGS (sizeof(string_offsets) / sizeof(*string_offsets))

struct point_image {
	struct tmc_point_disk fixed;
	uint8_t strings[NR_STRINGS * (sizeof(struct tmc_string_disk) + TMC_TEXT_BYTES)];
};

static uint32_t put_strings(const struct tmc_point *point, struct point_image *image)
{
	uint8_t *p = image->strings;
	uint32_t nr = 0;

	for (size_t i = 0; i < NR_STRINGS; i++) {
		const char *text = (const char *)point + string_offsets[i];
		size_t bytes = strnlen(text, TMC_TEXT_BYTES - 1);
		struct tmc_string_disk disk = {
			.tag = put_le16((uint16_t)(i + 1)),
			.bytes = put_le16((uint16_t)bytes),
		};

		if (!bytes)
			continue;
		memcpy(p, &disk, sizeof(disk));
		memcpy(p + sizeof(disk), text, bytes);
		p += sizeof(disk) + bytes;
		nr++;
	}
	image->fixed.nr_strings = put_le32(nr);
	image->fixed.strings_bytes = put_le32((uint32_t)(p - image->strings));
	return (uint32_t)(p - image->strings);
}

int tmc_point_store(struct tmc_repo *repo, const struct tmc_tree *tree, struct tmc_point *point)
{
	struct point_image image = {
		.fixed = {
			.parent = point->parent,
			.root = tree->root,
			.levels = put_le32(tree->levels),
			.chunk_bytes = put_le32(tree->chunk_bytes),
			.volume_bytes = put_le64(tree->volume_bytes),
			.cut_time_ns = put_le64(point->cut_time_ns),
			.changed_bytes = put_le64(point->changed_bytes),
			.read_bytes = put_le64(point->read_bytes),
			.stored_bytes = put_le64(point->stored_bytes),
			.unreadable_chunks = put_le64(point->unreadable_chunks),
			.stretch = put_le64(point->moment.stretch),
			.seq = put_le64(point->moment.seq),
			.settles_seq = put_le64(point->moment.settles_seq),
		},
	};
	size_t bytes = sizeof(image.fixed) + put_strings(point, &image);

	int ret = tmc_generation_get(repo, &point->generation);

	image.fixed.generation = put_le64(++point->generation);
	return ret ? ret : tmc_object_store(repo->store, repo->keys, &point_kind, &image, bytes,
					    &point->id);
}

/* ------------------------------------------------------------------------ load */

static bool get_strings(const uint8_t *p, size_t bytes, uint32_t nr, struct tmc_point *point)
{
	unsigned int last_tag = 0;

	while (nr--) {
		struct tmc_string_disk disk;
		size_t length;
		unsigned int tag;

		if (bytes < sizeof(disk))
			return false;
		memcpy(&disk, p, sizeof(disk));
		p += sizeof(disk);
		bytes -= sizeof(disk);
		tag = get_le16(disk.tag);
		length = get_le16(disk.bytes);
		if (length > bytes || tag <= last_tag)
			return false;
		last_tag = tag;
		if (tag <= NR_STRINGS) {
			if (length >= TMC_TEXT_BYTES || memchr(p, 0, length))
				return false;
			memcpy((char *)point + string_offsets[tag - 1], p, length);
		}
		p += length;
		bytes -= length;
	}
	return !bytes;
}

static bool parse(const struct tmc_repo *repo, const uint8_t *image, size_t bytes,
		  struct tmc_point *point, struct tmc_tree *ret_tree)
{
	struct tmc_point_disk disk;
	struct tmc_tree tree;

	memcpy(&disk, image, sizeof(disk));
	point->parent = disk.parent;
	point->volume.volume_bytes = get_le64(disk.volume_bytes);
	point->chunk_bytes = get_le32(disk.chunk_bytes);
	point->cut_time_ns = get_le64(disk.cut_time_ns);
	point->changed_bytes = get_le64(disk.changed_bytes);
	point->read_bytes = get_le64(disk.read_bytes);
	point->stored_bytes = get_le64(disk.stored_bytes);
	point->unreadable_chunks = get_le64(disk.unreadable_chunks);
	point->generation = get_le64(disk.generation);
	point->moment = (struct tmc_moment){
		.stretch = get_le64(disk.stretch),
		.seq = get_le64(disk.seq),
		.settles_seq = get_le64(disk.settles_seq),
	};
	tmc_tree_init(&tree, &disk.root, point->volume.volume_bytes, &repo->limits);
	if (ret_tree)
		*ret_tree = tree;
	return get_le32(disk.strings_bytes) == bytes - sizeof(disk) &&
	       get_le32(disk.levels) == tree.levels && point->chunk_bytes == tree.chunk_bytes &&
	       point->unreadable_chunks <= tree.nr_chunks &&
	       is_zero(disk.zero, sizeof(disk.zero)) &&
	       get_strings(image + sizeof(disk), bytes - sizeof(disk), get_le32(disk.nr_strings),
			   point);
}

static int load(struct tmc_repo *repo, const struct tmc_object_kind *kind, const struct tmc_id *id,
		struct tmc_point *ret_point, struct tmc_tree *ret_tree)
{
	CLEANUP_FREE uint8_t *image = NULL;
	char text[TMC_STORE_TEXT];
	size_t bytes;
	int ret = tmc_object_load(repo->store, repo->keys, kind, id, &image, &bytes);

	if (ret < 0)
		return ret;
	memset(ret_point, 0, sizeof(*ret_point));
	ret_point->id = *id;
	if (parse(repo, image, bytes, ret_point, ret_tree))
		return 0;
	tmc_store_describe(repo->store, kind->store_kind, id, text);
	return failure_set(-EBADMSG, "%s is damaged: it makes no sense", text);
}

int tmc_point_load(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_point *ret_point,
		   struct tmc_tree *ret_tree)
{
	return load(repo, &point_kind, id, ret_point, ret_tree);
}

int tmc_point_load_aside(struct tmc_repo *repo, const struct tmc_id *id,
			 struct tmc_point *ret_point, struct tmc_tree *ret_tree)
{
	return load(repo, &aside_kind, id, ret_point, ret_tree);
}

int tmc_point_get(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_point *ret_point)
{
	struct tmc_dooms dooms;
	int ret = tmc_dooms_load(repo->store, repo->keys, &dooms);
	bool doomed = tmc_dooms_list(&dooms, TMC_STORE_POINT, id);

	tmc_dooms_clear(&dooms);
	if (doomed)
		return tmc_point_is_doomed(id);
	return ret < 0 && ret != -EBADMSG ? ret : tmc_point_load(repo, id, ret_point, NULL);
}

int tmc_point_is_doomed(const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(id, digits);
	return failure_set(-ENOENT, "restore point %s has been given up by \"tidemark prune\" or "
			   "\"tidemark forget\"", digits);
}

int tmc_point_is_missing(const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(id, digits);
	return failure_set(-ENOENT, "there is no restore point %s", digits);
}

/* ---------------------------------------------------------------- list and find */

static int compare_points(const void *a, const void *b)
{
	const struct tmc_point *point_a = a, *point_b = b;

	if (point_a->cut_time_ns != point_b->cut_time_ns)
		return point_a->cut_time_ns < point_b->cut_time_ns ? -1 : 1;
	return memcmp(&point_a->id, &point_b->id, sizeof(point_a->id));
}

/*
 * Points whose id begins with the digits. Those that cannot be read, or are doomed, are
 * left out. Dooms are listed first: a point that is gone by its doom's sweep is not in
 * the list of points that comes later.
 */
static int list_points(struct tmc_repo *repo, const char *digits, struct tmc_point **ret_points,
		       size_t *ret_nr)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct tmc_point *points;
	size_t nr_ids, nr = 0;
	int damage;
	int ret;

	*ret_points = NULL;
	*ret_nr = 0;
	ret = tmc_keys_check(repo->keys);
	if (ret < 0)
		return ret;
	damage = tmc_dooms_load(repo->store, repo->keys, &dooms);
	if (damage < 0 && damage != -EBADMSG)
		return damage;
	ret = tmc_store_list(repo->store, TMC_STORE_POINT, &ids, &nr_ids);
	if (ret < 0)
		return ret;
	points = calloc(nr_ids ? nr_ids : 1, sizeof(*points));
	if (!points)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr_ids; i++) {
		char text[TMC_ID_TEXT];

		tmc_id_format(&ids[i], text);
		if (strncmp(text, digits, strlen(digits)) ||
		    tmc_dooms_list(&dooms, TMC_STORE_POINT, &ids[i]))
			continue;
		ret = tmc_point_load(repo, &ids[i], &points[nr], NULL);
		if (!ret)
			nr++;
		else if (ret != -ENOENT)
			damage = ret;
	}
	qsort(points, nr, sizeof(*points), compare_points);
	*ret_points = points;
	*ret_nr = nr;
	return damage;
}

int tmc_point_list(struct tmc_repo *repo, struct tmc_point **ret_points, size_t *ret_nr)
{
	return list_points(repo, "", ret_points, ret_nr);
}

static bool is_prefix(const char *name)
{
	size_t length = strlen(name);

	return length >= 4 && length < TMC_ID_TEXT && strspn(name, "0123456789abcdef") == length;
}

int tmc_point_find(struct tmc_repo *repo, const char *name, const char *volume_id,
		   struct tmc_point *ret_point)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	bool latest = !strcmp(name, "latest");
	size_t nr, nr_found = 0;
	int damage;

	if (!latest && !is_prefix(name))
		return failure_set(-EINVAL, "\"%s\" names no restore point: give \"latest\" or the "
				   "first digits of an id, 4 or more", name);
	damage = list_points(repo, latest ? "" : name, &points, &nr);
	if (damage < 0 && !points)
		return damage;
	for (size_t i = 0; i < nr; i++) {
		if (volume_id && strcmp(points[i].volume.volume_id, volume_id))
			continue;
		if (latest && points[i].moment.settles_seq)
			continue;
		*ret_point = points[i];
		nr_found++;
	}
	if (nr_found > 1 && !latest)
		return failure_set(-ENOTUNIQ, "several restore points begin with %s: give more "
				   "digits", name);
	if (nr_found)
		return 0;
	if (damage < 0)
		return damage;
	return failure_set(-ENOENT, latest ? "there is no restore point yet" :
			   "there is no restore point %s", name);
}

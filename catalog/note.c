// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What people say of points. A note object is never changed: a new one takes its
 * place, being later, and then the old ones are removed. Two writers at once leave
 * two, of which the later counts.
 */
#include "catalog/note.h"

#include "catalog/object.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/zero.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { STRING_TAG = 1, STRING_TEXT = 2 };

static const struct tmc_object_kind note_kind = {
	.store_kind = TMC_STORE_NOTE,
	.type = TMC_OBJECT_NOTE,
	.bytes_min = sizeof(struct tmc_note_disk),
	.bytes_max = TMC_NOTE_BYTES_MAX,
};

/* ----------------------------------------------------------------------- store */

static bool is_tag(const char *tag)
{
	size_t length = strnlen(tag, TMC_TAG_TEXT);

	for (const char *c = tag; *c && length < TMC_TAG_TEXT; c++)
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || *c == ',')
			return false;
	return length && length < TMC_TAG_TEXT;
}

static int check_note(const struct tmc_note *note)
{
	if (note->nr_tags > TMC_TAGS_MAX)
		return failure_set(-EINVAL, "a restore point has at most %u tags", TMC_TAGS_MAX);
	for (unsigned int i = 0; i < note->nr_tags; i++)
		if (!is_tag(note->tags[i]))
			return failure_set(-EINVAL, "\"%.*s\" is no tag: up to %u bytes without "
					   "spaces and commas", TMC_TAG_TEXT, note->tags[i],
					   TMC_TAG_TEXT - 1);
	if (strnlen(note->text, TMC_TEXT_BYTES) == TMC_TEXT_BYTES)
		return failure_set(-EINVAL, "a note has at most %u bytes", TMC_TEXT_BYTES - 1);
	return 0;
}

static uint8_t *put_string(uint8_t *p, unsigned int tag, const char *text)
{
	size_t bytes = strlen(text);
	struct tmc_string_disk disk = {
		.tag = put_le16((uint16_t)tag),
		.bytes = put_le16((uint16_t)bytes),
	};

	memcpy(p, &disk, sizeof(disk));
	memcpy(p + sizeof(disk), text, bytes);
	return p + sizeof(disk) + bytes;
}

static int store_note(struct tmc_repo *repo, const struct tmc_note *note, struct tmc_id *ret_id)
{
	CLEANUP_FREE uint8_t *image = calloc(1, TMC_NOTE_BYTES_MAX);
	struct tmc_note_disk disk = {
		.point = note->point,
		.time_ns = put_le64(note->time_ns),
		.nr_strings = put_le32(note->nr_tags + (note->text[0] != '\0')),
	};
	uint8_t *p = image + sizeof(disk);

	if (!image)
		return failure_set(-ENOMEM, "out of memory");
	for (unsigned int i = 0; i < note->nr_tags; i++)
		p = put_string(p, STRING_TAG, note->tags[i]);
	if (note->text[0])
		p = put_string(p, STRING_TEXT, note->text);
	disk.strings_bytes = put_le32((uint32_t)(p - image - (ptrdiff_t)sizeof(disk)));
	memcpy(image, &disk, sizeof(disk));
	return tmc_object_store(repo->store, repo->keys, &note_kind, image, (size_t)(p - image),
				ret_id);
}

/* ------------------------------------------------------------------------ load */

static bool get_string(struct tmc_note *note, unsigned int tag, const uint8_t *text, size_t bytes)
{
	if (tag == STRING_TAG) {
		if (note->nr_tags == TMC_TAGS_MAX || bytes >= TMC_TAG_TEXT)
			return false;
		memcpy(note->tags[note->nr_tags++], text, bytes);
	} else if (tag == STRING_TEXT) {
		if (bytes >= TMC_TEXT_BYTES)
			return false;
		memcpy(note->text, text, bytes);
	}
	return !memchr(text, 0, bytes);
}

static bool get_strings(const uint8_t *p, size_t bytes, uint32_t nr, struct tmc_note *note)
{
	unsigned int last_tag = 0;

	while (nr--) {
		struct tmc_string_disk disk;
		unsigned int tag;
		size_t length;

		if (bytes < sizeof(disk))
			return false;
		memcpy(&disk, p, sizeof(disk));
		tag = get_le16(disk.tag);
		length = get_le16(disk.bytes);
		p += sizeof(disk);
		bytes -= sizeof(disk);
		if (length > bytes || tag < last_tag || (tag == last_tag && tag != STRING_TAG) ||
		    !get_string(note, tag, p, length))
			return false;
		last_tag = tag;
		p += length;
		bytes -= length;
	}
	return !bytes;
}

static bool parse(const uint8_t *image, size_t bytes, struct tmc_note *note)
{
	struct tmc_note_disk disk;

	memcpy(&disk, image, sizeof(disk));
	note->point = disk.point;
	note->time_ns = get_le64(disk.time_ns);
	return get_le32(disk.strings_bytes) == bytes - sizeof(disk) &&
	       is_zero(disk.zero, sizeof(disk.zero)) &&
	       get_strings(image + sizeof(disk), bytes - sizeof(disk), get_le32(disk.nr_strings),
			   note);
}

int tmc_note_load(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_note *ret_note)
{
	CLEANUP_FREE uint8_t *image = NULL;
	char text[TMC_STORE_TEXT];
	size_t bytes;
	int ret = tmc_object_load(repo->store, repo->keys, &note_kind, id, &image, &bytes);

	if (ret < 0)
		return ret;
	memset(ret_note, 0, sizeof(*ret_note));
	if (parse(image, bytes, ret_note))
		return 0;
	tmc_store_describe(repo->store, TMC_STORE_NOTE, id, text);
	return failure_set(-EBADMSG, "%s is damaged: it makes no sense", text);
}

struct named_note {
	struct tmc_note note;
	struct tmc_id id;
};

/* By point; of one point the latest first. */
static int compare_notes(const void *a, const void *b)
{
	const struct named_note *note_a = a, *note_b = b;
	int order = memcmp(&note_a->note.point, &note_b->note.point, sizeof(note_a->note.point));

	if (order)
		return order;
	if (note_a->note.time_ns != note_b->note.time_ns)
		return note_a->note.time_ns > note_b->note.time_ns ? -1 : 1;
	return memcmp(&note_b->id, &note_a->id, sizeof(note_a->id));
}

/* All there are, those that another one has replaced as well. */
static int load_all(struct tmc_repo *repo, struct named_note **ret_notes, size_t *ret_nr)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct named_note *notes;
	size_t nr_ids, nr = 0;
	int damage = 0;
	int ret = tmc_keys_check(repo->keys);

	if (!ret)
		ret = tmc_store_list(repo->store, TMC_STORE_NOTE, &ids, &nr_ids);
	if (ret < 0)
		return ret;
	notes = calloc(nr_ids + 1, sizeof(*notes));
	if (!notes)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr_ids; i++) {
		ret = tmc_note_load(repo, &ids[i], &notes[nr].note);
		notes[nr].id = ids[i];
		if (!ret)
			nr++;
		else if (ret != -ENOENT) /* replaced since it was listed */
			damage = ret;
	}
	qsort(notes, nr, sizeof(*notes), compare_notes);
	*ret_notes = notes;
	*ret_nr = nr;
	return damage;
}

int tmc_note_list(struct tmc_repo *repo, struct tmc_note **ret_notes, size_t *ret_nr)
{
	CLEANUP_FREE struct named_note *all = NULL;
	struct tmc_note *notes;
	size_t nr_all = 0, nr = 0;
	int damage;

	*ret_notes = NULL;
	*ret_nr = 0;
	damage = load_all(repo, &all, &nr_all);
	if (damage < 0 && !all)
		return damage;
	notes = calloc(nr_all + 1, sizeof(*notes));
	if (!notes)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr_all; i++)
		if (!i || !tmc_id_equal(&all[i].note.point, &all[i - 1].note.point))
			notes[nr++] = all[i].note;
	*ret_notes = notes;
	*ret_nr = nr;
	return damage;
}

static int compare_to_point(const void *key, const void *note)
{
	return memcmp(key, &((const struct tmc_note *)note)->point, sizeof(struct tmc_id));
}

const struct tmc_note *tmc_note_of(const struct tmc_note *notes, size_t nr,
				   const struct tmc_point *point)
{
	return nr ? bsearch(&point->id, notes, nr, sizeof(*notes), compare_to_point) : NULL;
}

bool tmc_note_has_tag(const struct tmc_note *note, const char *tag)
{
	for (unsigned int i = 0; note && i < note->nr_tags; i++)
		if (!strcmp(note->tags[i], tag))
			return true;
	return false;
}

/* Once the new one is durable nobody needs them; one that stays does no harm. */
static void remove_replaced(struct tmc_repo *repo, const struct named_note *all, size_t nr,
			    const struct tmc_id *point)
{
	for (size_t i = 0; i < nr; i++)
		if (tmc_id_equal(&all[i].note.point, point))
			tmc_store_remove(repo->store, TMC_STORE_NOTE, &all[i].id);
}

int tmc_note_put(struct tmc_repo *repo, const struct tmc_note *note)
{
	CLEANUP_FREE struct named_note *all = NULL;
	struct tmc_note later = *note;
	size_t nr = 0;
	struct tmc_id id;
	int ret = check_note(note);

	if (!ret)
		ret = tmc_repo_enter(repo, "tag");
	if (!ret)
		ret = load_all(repo, &all, &nr);
	if (ret < 0 && !all)
		return ret;
	later.time_ns = clock_ns(CLOCK_REALTIME);
	for (size_t i = 0; i < nr; i++) /* a clock may have been set back */
		if (tmc_id_equal(&all[i].note.point, &note->point) &&
		    all[i].note.time_ns >= later.time_ns)
			later.time_ns = all[i].note.time_ns + 1;
	ret = store_note(repo, &later, &id);
	if (!ret)
		remove_replaced(repo, all, nr, &note->point);
	return ret;
}

int tmc_note_remove(struct tmc_repo *repo, const struct tmc_id_list *points)
{
	CLEANUP_FREE struct named_note *all = NULL;
	size_t nr = 0;
	int ret = points->nr ? load_all(repo, &all, &nr) : 0;

	if (ret < 0 && ret != -EBADMSG)
		return ret;
	ret = 0;
	for (size_t i = 0; i < nr && !ret; i++)
		if (tmc_id_list_has(points, &all[i].note.point))
			ret = tmc_store_remove(repo->store, TMC_STORE_NOTE, &all[i].id);
	return ret;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Small indexes (those of incremental backups) are loaded, as far as a budget
 * goes; large ones are searched on disk. A lookup begins with the index that had
 * the latest hit: the chunks of a point mostly stand in one.
 *
 * A thousand index objects would be a thousand probes for a blob that is nowhere:
 * index_tidy.c keeps them few.
 */
#include "catalog/index_set.h"

#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"

#include <errno.h>

#define LOAD_EACH_BYTES (1u << 20)
#define LOAD_ALL_BYTES  (16u << 20)

struct member {
	struct tmc_index *index;
	_Atomic uint32_t *pack_bytes; /* by pack number; 0: not looked at, PACK_MISSING */
	bool avoided; /* a doom lists it */
	bool gone;    /* the latest refresh did not find it: the last one to ask */
};

#define PACK_MISSING 1u

struct tmc_index_set {
	struct tmc_store *store;
	struct tmc_keys *keys;
	struct tmc_limits limits;
	struct first_failure damage; /* of an index object that could not be opened */
	atomic_size_t latest;        /* number of the index with the latest hit */

	pthread_rwlock_t lock; /* all below */
	const struct tmc_dooms *avoided; /* or NULL */
	struct member *members;
	size_t nr, capacity;
	uint64_t loaded_bytes;
};

struct tmc_index_set *tmc_index_set_create(struct tmc_store *store, struct tmc_keys *keys,
					   const struct tmc_limits *limits)
{
	struct tmc_index_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->store = store;
	set->keys = keys;
	set->limits = *limits;
	first_failure_init(&set->damage);
	pthread_rwlock_init(&set->lock, NULL);
	return set;
}

void tmc_index_set_destroy(struct tmc_index_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->nr; i++) {
		tmc_index_close(set->members[i].index);
		free(set->members[i].pack_bytes);
	}
	free(set->members);
	pthread_rwlock_destroy(&set->lock);
	free(set);
}

static bool is_member_locked(const struct tmc_index_set *set, const struct tmc_id *id)
{
	for (size_t i = 0; i < set->nr; i++)
		if (tmc_id_equal(tmc_index_id(set->members[i].index), id))
			return true;
	return false;
}

void tmc_index_set_avoid(struct tmc_index_set *set, const struct tmc_dooms *dooms)
{
	pthread_rwlock_wrlock(&set->lock);
	set->avoided = dooms;
	for (size_t i = 0; i < set->nr; i++) {
		struct member *member = &set->members[i];

		member->avoided = tmc_dooms_list(dooms, TMC_STORE_INDEX, tmc_index_id(member->index));
		for (uint32_t pack = 0; pack < tmc_index_nr_packs(member->index); pack++)
			member->pack_bytes[pack] = 0;
	}
	pthread_rwlock_unlock(&set->lock);
}

static int add_locked(struct tmc_index_set *set, const struct tmc_id *id)
{
	struct member member = {
		.avoided = set->avoided && tmc_dooms_list(set->avoided, TMC_STORE_INDEX, id),
	};
	uint64_t bytes;
	int ret;

	if (set->nr == set->capacity) {
		size_t capacity = set->capacity ? 2 * set->capacity : 16;
		void *members = realloc(set->members, capacity * sizeof(*set->members));

		if (!members)
			return failure_set(-ENOMEM, "out of memory");
		set->members = members;
		set->capacity = capacity;
	}
	ret = tmc_index_open(set->store, set->keys, id, &member.index);
	if (ret < 0)
		return ret;
	member.pack_bytes = calloc(tmc_index_nr_packs(member.index) + 1u, sizeof(uint32_t));
	if (!member.pack_bytes) {
		tmc_index_close(member.index);
		return failure_set(-ENOMEM, "out of memory");
	}
	bytes = tmc_index_bytes(member.index);
	if (bytes <= LOAD_EACH_BYTES && bytes <= LOAD_ALL_BYTES - set->loaded_bytes &&
	    !tmc_index_load(member.index))
		set->loaded_bytes += bytes;
	set->members[set->nr++] = member;
	return 0;
}

int tmc_index_set_refresh(struct tmc_index_set *set)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(set->store, TMC_STORE_INDEX, &ids, &nr);

	if (ret < 0)
		return ret;
	pthread_rwlock_wrlock(&set->lock);
	for (size_t i = 0; i < nr && !ret; i++) {
		if (is_member_locked(set, &ids[i]))
			continue;
		ret = add_locked(set, &ids[i]);
		if (ret == -EBADMSG)
			first_failure_note(&set->damage, ret);
		if (ret == -EBADMSG || ret == -ENOENT) /* swept since it was listed */
			ret = 0;
	}
	for (size_t i = 0; i < set->nr; i++) {
		const struct tmc_id_list listed = { .ids = ids, .nr = nr };

		set->members[i].gone = !tmc_id_list_has(&listed, tmc_index_id(set->members[i].index));
	}
	pthread_rwlock_unlock(&set->lock);
	return ret;
}

int tmc_index_set_check(struct tmc_index_set *set)
{
	return first_failure_get(&set->damage);
}

int tmc_index_set_add(struct tmc_index_set *set, const struct tmc_id *id)
{
	int ret;

	pthread_rwlock_wrlock(&set->lock);
	ret = add_locked(set, id);
	pthread_rwlock_unlock(&set->lock);
	return ret;
}

static bool get_member(struct tmc_index_set *set, size_t number, struct member *ret_member)
{
	bool found;

	pthread_rwlock_rdlock(&set->lock);
	found = number < set->nr;
	if (found)
		*ret_member = set->members[number];
	pthread_rwlock_unlock(&set->lock);
	return found;
}

struct tmc_index *tmc_index_set_get(struct tmc_index_set *set, size_t number)
{
	struct member member;

	return get_member(set, number, &member) ? member.index : NULL;
}

/* The n-th index to ask: first the one with the latest hit, then the others. */
static bool nth_member(struct tmc_index_set *set, size_t n, size_t latest, size_t *ret_number,
		       struct member *ret_member)
{
	*ret_number = n == 0 ? latest : n <= latest ? n - 1 : n;
	return get_member(set, *ret_number, ret_member);
}

static int find_in_index(struct tmc_index_set *set, struct tmc_index *index,
			 enum tmc_blob_type type, const struct tmc_id *id,
			 struct tmc_location *ret_location)
{
	int ret = tmc_index_find(index, type, id, &ret_location->entry, &ret_location->position);

	if (ret <= 0)
		return ret;
	if (!tmc_blob_is_valid(&ret_location->entry.blob, &set->limits))
		return failure_set(-EBADMSG, "%s is damaged: an entry makes no sense",
				   tmc_index_text(index));
	ret_location->index = index;
	return tmc_index_pack(index, ret_location->entry.pack, &ret_location->pack) ?: 1;
}

int tmc_index_set_find_in(struct tmc_index_set *set, size_t number, enum tmc_blob_type type,
			  const struct tmc_id *id, struct tmc_location *ret_location)
{
	struct member member;

	if (!get_member(set, number, &member))
		return 0;
	ret_location->number = number;
	return find_in_index(set, member.index, type, id, ret_location);
}

static int find_once(struct tmc_index_set *set, bool gone, enum tmc_blob_type type,
		     const struct tmc_id *id, struct tmc_location *ret_location)
{
	size_t latest = set->latest, number;
	struct member member;
	int damage = 0;

	for (size_t n = 0; nth_member(set, n, latest, &number, &member); n++) {
		int ret;

		if (member.gone != gone)
			continue;
		ret = find_in_index(set, member.index, type, id, ret_location);
		if (ret > 0) {
			ret_location->number = number;
			if (n)
				set->latest = number;
			return 1;
		}
		if (ret < 0)
			damage = ret;
	}
	return damage;
}

int tmc_index_set_find(struct tmc_index_set *set, enum tmc_blob_type type, const struct tmc_id *id,
		       struct tmc_location *ret_location)
{
	char digits[TMC_ID_TEXT];
	int ret = find_once(set, false, type, id, ret_location);

	if (ret <= 0) {
		ret = tmc_index_set_refresh(set);
		if (!ret)
			ret = find_once(set, false, type, id, ret_location);
		if (!ret)
			ret = find_once(set, true, type, id, ret_location);
		if (!ret)
			ret = first_failure_get(&set->damage);
	}
	if (ret > 0)
		return 0;
	if (ret < 0)
		return ret;
	tmc_id_format(id, digits);
	return failure_set(-EBADMSG, "no index of the repository knows %s %s",
			   type == TMC_BLOB_NODE ? "tree node" : "chunk", digits);
}

static uint32_t look_at_pack(struct tmc_index_set *set, const struct tmc_id *pack)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;

	if ((set->avoided && tmc_dooms_list(set->avoided, TMC_STORE_PACK, pack)) ||
	    tmc_store_get(set->store, TMC_STORE_PACK, pack, &fd, &bytes) < 0)
		return PACK_MISSING;
	return bytes > UINT32_MAX ? UINT32_MAX : bytes < PACK_MISSING ? PACK_MISSING : (uint32_t)bytes;
}

int tmc_index_set_has(struct tmc_index_set *set, enum tmc_blob_type type, const struct tmc_id *id)
{
	struct tmc_location location;
	struct member member;

	/* Damage anywhere here only means that the blob is stored once more. */
	for (size_t n = 0; get_member(set, n, &member); n++) {
		struct tmc_entry *entry = &location.entry;
		uint32_t bytes;

		if (member.avoided || member.gone ||
		    find_in_index(set, member.index, type, id, &location) <= 0)
			continue;
		bytes = member.pack_bytes[entry->pack];
		if (!bytes) {
			bytes = look_at_pack(set, &location.pack);
			member.pack_bytes[entry->pack] = bytes;
		}
		if (entry->offset + tmc_blob_disk_bytes(&entry->blob) <= bytes)
			return 1;
	}
	return 0;
}

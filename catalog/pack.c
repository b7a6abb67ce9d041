// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A table of NR_OPEN packs; the one that was used longest ago makes room. Packs
 * that are in use when the table is full live outside it until they are put.
 */
#include "catalog/pack.h"

#include "catalog/id.h"
#include "catalog/keys.h"
#include "catalog/object.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NR_OPEN 64

struct tmc_pack_cache {
	struct tmc_store *store;
	struct tmc_keys *keys;
	pthread_mutex_t lock; /* all below */
	uint64_t clock;
	struct tmc_pack *packs[NR_OPEN]; /* each holds a reference */
};

struct tmc_pack_cache *tmc_pack_cache_create(struct tmc_store *store, struct tmc_keys *keys)
{
	struct tmc_pack_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->store = store;
	cache->keys = keys;
	pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void put_locked(struct tmc_pack *pack)
{
	if (!pack || --pack->nr_refs)
		return;
	if (pack->direct_fd >= 0)
		close(pack->direct_fd);
	close(pack->fd);
	free(pack);
}

void tmc_pack_cache_destroy(struct tmc_pack_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < NR_OPEN; i++)
		put_locked(cache->packs[i]);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

const char *tmc_pack_describe(struct tmc_pack_cache *cache, const struct tmc_id *id,
			      char ret_text[TMC_STORE_TEXT])
{
	return tmc_store_describe(cache->store, TMC_STORE_PACK, id, ret_text);
}

int tmc_pack_read(struct tmc_pack_cache *cache, struct tmc_pack *pack, void *data, size_t bytes,
		  uint64_t offset)
{
	char text[TMC_STORE_TEXT];
	int ret;

	if (offset > pack->bytes || bytes > pack->bytes - offset)
		ret = -ENODATA;
	else
		ret = io_read_full(pack->fd, data, bytes, offset);
	if (!ret)
		return 0;
	tmc_pack_describe(cache, &pack->id, text);
	if (ret == -ENODATA)
		return failure_set(-EBADMSG, "%s is damaged: it is cut off", text);
	return failure_set(ret, "cannot read %s: %s", text, strerror(-ret));
}

/* Whatever fails directly is tried through the page cache, which has the last word. */
int tmc_pack_read_large(struct tmc_pack_cache *cache, struct tmc_pack *pack, void *room,
			size_t bytes, uint64_t offset, const uint8_t **ret_data)
{
	size_t before = offset % IO_DIRECT_BYTES;
	size_t needed = before + bytes;
	size_t whole = (needed + IO_DIRECT_BYTES - 1) / IO_DIRECT_BYTES * IO_DIRECT_BYTES;

	*ret_data = (uint8_t *)room + before;
	if (pack->direct_fd >= 0 && offset <= pack->bytes && bytes <= pack->bytes - offset &&
	    !io_read_direct(pack->direct_fd, room, whole, needed, offset - before))
		return 0;
	return tmc_pack_read(cache, pack, (uint8_t *)room + before, bytes, offset);
}

static int open_direct(int fd)
{
	char again[32];
	int direct_fd;

	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	direct_fd = io_open(AT_FDCWD, again, O_RDONLY | O_DIRECT);
	return direct_fd < 0 ? -1 : direct_fd;
}

static int open_pack(struct tmc_pack_cache *cache, const struct tmc_id *id,
		     struct tmc_pack **ret_pack)
{
	struct tmc_object_header_disk header;
	struct tmc_pack *pack = calloc(1, sizeof(*pack));
	char text[TMC_STORE_TEXT];
	int ret;

	if (!pack)
		return failure_set(-ENOMEM, "out of memory");
	pack->id = *id;
	pack->nr_refs = 1;
	ret = tmc_store_get(cache->store, TMC_STORE_PACK, id, &pack->fd, &pack->bytes);
	if (ret < 0) {
		free(pack);
		if (ret == -ENOENT)
			return failure_set(-EBADMSG, "%s is missing",
					   tmc_pack_describe(cache, id, text));
		return ret;
	}
	pack->direct_fd = open_direct(pack->fd);
	ret = tmc_pack_read(cache, pack, &header, sizeof(header), 0);
	if (!ret)
		ret = tmc_object_header_check(&header, TMC_OBJECT_PACK, cache->keys,
					      tmc_pack_describe(cache, id, text), NULL);
	if (ret < 0) {
		put_locked(pack);
		return ret;
	}
	*ret_pack = pack;
	return 0;
}

static struct tmc_pack *find_locked(struct tmc_pack_cache *cache, const struct tmc_id *id)
{
	for (size_t i = 0; i < NR_OPEN; i++) {
		struct tmc_pack *pack = cache->packs[i];

		if (pack && tmc_id_equal(&pack->id, id)) {
			pack->nr_refs++;
			pack->used = ++cache->clock;
			return pack;
		}
	}
	return NULL;
}

int tmc_pack_get(struct tmc_pack_cache *cache, const struct tmc_id *id, struct tmc_pack **ret_pack)
{
	size_t oldest = 0;
	int ret;

	LOCK_SCOPE(&cache->lock);
	*ret_pack = find_locked(cache, id);
	if (*ret_pack)
		return 0;
	ret = open_pack(cache, id, ret_pack);
	if (ret < 0)
		return ret;
	for (size_t i = 1; i < NR_OPEN && cache->packs[oldest]; i++)
		if (!cache->packs[i] || cache->packs[i]->used < cache->packs[oldest]->used)
			oldest = i;
	put_locked(cache->packs[oldest]);
	cache->packs[oldest] = *ret_pack;
	(*ret_pack)->nr_refs++;
	(*ret_pack)->used = ++cache->clock;
	return 0;
}

void tmc_pack_put(struct tmc_pack_cache *cache, struct tmc_pack *pack)
{
	LOCK_SCOPE(&cache->lock);
	put_locked(pack);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Any part of a point at any time. Chunks are decoded and verified once, into a cache that all
 * readers share; zeros take no room in it. A cursor and a coder are
 * one thread's at a time: there are as many pairs as threads ever read at once.
 */
#include "catalog/blob_read.h"
#include "catalog/extract.h"
#include "catalog/id.h"
#include "catalog/repo.h"
#include "common/block_cache.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct hand { /* what one thread reads with */
	struct hand *next;
	struct tmc_image *image;
	struct tmc_tree_cursor *cursor;
	struct tmc_blob_coder *coder;
	uint8_t *disk;    /* room for a chunk as it is in its pack */
};

struct tmc_image {
	struct tmc_repo *repo;
	struct tmc_tree tree;
	struct block_cache *chunks;
	pthread_mutex_t lock;
	struct hand *idle; /* the lock's */
};

/* ----------------------------------------------------------------------- hands */

static void destroy_hand(struct hand *hand)
{
	if (!hand)
		return;
	tmc_tree_cursor_destroy(hand->cursor);
	tmc_blob_coder_destroy(hand->coder);
	free(hand->disk);
	free(hand);
}

static struct hand *create_hand(struct tmc_image *image)
{
	struct tmc_repo *repo = image->repo;
	struct hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		return NULL;
	hand->image = image;
	hand->cursor = tmc_tree_cursor_create(repo, &image->tree);
	hand->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	hand->disk = malloc(tmc_limits_disk_bytes(&repo->limits));
	if (hand->cursor && hand->coder && hand->disk)
		return hand;
	destroy_hand(hand);
	return NULL;
}

static struct hand *take_idle(struct tmc_image *image)
{
	struct hand *hand;

	LOCK_SCOPE(&image->lock);
	hand = image->idle;
	if (hand)
		image->idle = hand->next;
	return hand;
}

static struct hand *take_hand(struct tmc_image *image)
{
	struct hand *hand = take_idle(image);

	if (!hand)
		hand = create_hand(image);
	if (!hand)
		failure_set(-ENOMEM, "out of memory");
	return hand;
}

static void put_hand(struct hand *hand)
{
	struct tmc_image *image = hand->image;

	LOCK_SCOPE(&image->lock);
	hand->next = image->idle;
	image->idle = hand;
}

/* ------------------------------------------------------------------------ read */

/* A range within one chunk. */
struct piece {
	uint64_t chunk;
	uint32_t offset;
	uint32_t bytes;
};

static int is_unreadable(const struct tmc_image *image, uint64_t chunk)
{
	return failure_set(-EIO, "at byte %" PRIu64 " the volume could not be read when the "
			   "restore point was made", chunk * image->tree.chunk_bytes);
}

static int read_blob(struct hand *hand, uint64_t chunk, const struct tmc_id *id, void *data)
{
	struct tmc_image *image = hand->image;
	char text[TMC_STORE_TEXT];
	struct tmc_blob blob;
	int ret = tmc_blob_read(image->repo, TMC_BLOB_CHUNK, id, hand->coder, hand->disk, data,
				&blob, text);

	if (!ret && blob.raw_bytes != tmc_tree_chunk_bytes(&image->tree, chunk))
		ret = failure_set(-EBADMSG, "%s is damaged: a chunk has another length than its "
				  "volume needs", text);
	return ret;
}

/* -ENODATA: zeros, which are not worth the room. */
static int fill_chunk(void *context, uint64_t chunk, void *data)
{
	struct hand *hand = context;
	struct tmc_id id;
	int ret = tmc_tree_cursor_get(hand->cursor, chunk, &id);

	if (ret < 0)
		return ret;
	if (tmc_id_equal(&id, &tmc_id_zero))
		return -ENODATA;
	if (tmc_id_equal(&id, &tmc_id_unreadable))
		return is_unreadable(hand->image, chunk);
	return read_blob(hand, chunk, &id, data);
}

static int read_piece(struct hand *hand, const struct piece *piece, uint8_t *buffer)
{
	struct block_cache *chunks = hand->image->chunks;
	const uint8_t *data;
	int ret = block_cache_get(chunks, piece->chunk, fill_chunk, hand, &data);

	if (ret == -ENODATA) {
		memset(buffer, 0, piece->bytes);
		return 0;
	}
	if (ret < 0)
		return ret == -ENOMEM ? failure_set(ret, "out of memory") : ret;
	memcpy(buffer, data + piece->offset, piece->bytes);
	block_cache_put(chunks, piece->chunk);
	return 0;
}

static int check_range(const struct tmc_image *image, uint64_t offset, uint64_t bytes)
{
	uint64_t volume_bytes = image->tree.volume_bytes;

	if (offset <= volume_bytes && bytes <= volume_bytes - offset)
		return 0;
	return failure_set(-EINVAL, "%" PRIu64 " bytes at byte %" PRIu64 " lie beyond the end of "
			   "the volume, which has %" PRIu64, bytes, offset, volume_bytes);
}

int tmc_image_read(struct tmc_image *image, uint64_t offset, void *buffer, size_t bytes)
{
	uint32_t chunk_bytes = image->tree.chunk_bytes;
	uint8_t *to = buffer;
	struct hand *hand;
	int ret = check_range(image, offset, bytes);

	if (ret < 0)
		return ret;
	hand = take_hand(image);
	if (!hand)
		return -ENOMEM;
	while (!ret && bytes) {
		struct piece piece = { offset / chunk_bytes, (uint32_t)(offset % chunk_bytes), 0 };
		uint32_t room = chunk_bytes - piece.offset;

		piece.bytes = bytes < room ? (uint32_t)bytes : room;
		ret = read_piece(hand, &piece, to);
		to += piece.bytes;
		offset += piece.bytes;
		bytes -= piece.bytes;
	}
	put_hand(hand);
	return ret;
}

/* ----------------------------------------------------------------- open, close */

uint64_t tmc_image_bytes(const struct tmc_image *image)
{
	return image->tree.volume_bytes;
}

void tmc_image_close(struct tmc_image *image)
{
	struct hand *hand;

	if (!image)
		return;
	while ((hand = take_idle(image)))
		destroy_hand(hand);
	block_cache_destroy(image->chunks);
	pthread_mutex_destroy(&image->lock);
	free(image);
}

/* A small volume needs no more than it has. */
static struct block_cache *create_cache(const struct tmc_tree *tree, uint64_t cache_bytes)
{
	uint64_t nr = cache_bytes / tree->chunk_bytes;

	if (nr > tree->nr_chunks)
		nr = tree->nr_chunks;
	return block_cache_create((size_t)nr + !nr, tree->chunk_bytes);
}

int tmc_image_open(struct tmc_repo *repo, const struct tmc_point *point, uint64_t cache_bytes,
		   struct tmc_image **ret_image)
{
	struct tmc_image *image;
	struct tmc_tree tree;
	int ret;

	tmc_repo_enter(repo, "image");
	ret = tmc_extract_load(repo, point, &tree);
	if (ret < 0)
		return ret;
	image = calloc(1, sizeof(*image));
	if (!image)
		return failure_set(-ENOMEM, "out of memory");
	image->repo = repo;
	image->tree = tree;
	pthread_mutex_init(&image->lock, NULL);
	image->chunks = create_cache(&tree, cache_bytes);
	if (!image->chunks) {
		tmc_image_close(image);
		return failure_set(-ENOMEM, "out of memory");
	}
	*ret_image = image;
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The footer is proved first (the pack's name is its hash); then each blob that it
 * lists is read, in large sequential reads, and compared with it. Where the footer
 * is damaged, the blobs are walked by their own headers, and where one of those is
 * damaged as well, the next is looked for: a restore, which takes places from the
 * index, does not need the footer.
 */
#include "catalog/pack_check.h"

#include "catalog/object.h"
#include "catalog/repo.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define PAGE_BYTES     4096u
#define WINDOW_BYTES   (2u << 20)
#define NODES_BYTES    (64u << 10) /* a window where only nodes are read */
#define FOOTER_ENTRIES 1024u

struct tmc_pack_checker {
	struct tmc_repo *repo;
	struct tmc_pack_check_ops ops;
	struct tmc_blob_coder *coder;
	uint8_t *raw;
	struct tmc_pack *pack;
	enum tmc_pack_depth depth;
	uint64_t read_bytes;
	char text[TMC_STORE_TEXT];
	uint64_t footer_offset;
	uint32_t nr_blobs;
	uint64_t window_offset;
	size_t window_bytes;
	uint8_t *window; /* room for a part of the pack */
	const uint8_t *window_data;
	struct tmc_footer_entry_disk footer[FOOTER_ENTRIES];
};

struct tmc_pack_checker *tmc_pack_checker_create(struct tmc_repo *repo,
						 const struct tmc_pack_check_ops *ops)
{
	struct tmc_pack_checker *checker = calloc(1, sizeof(*checker));

	if (!checker)
		return NULL;
	checker->repo = repo;
	checker->ops = *ops;
	checker->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	checker->raw = malloc(tmc_limits_raw_bytes(&repo->limits));
	checker->window = aligned_alloc(PAGE_BYTES, WINDOW_BYTES + TMC_PACK_SLACK_BYTES);
	if (!checker->coder || !checker->raw || !checker->window) {
		tmc_pack_checker_destroy(checker);
		return NULL;
	}
	return checker;
}

void tmc_pack_checker_destroy(struct tmc_pack_checker *checker)
{
	if (!checker)
		return;
	tmc_blob_coder_destroy(checker->coder);
	free(checker->raw);
	free(checker->window);
	free(checker);
}

static int read_pack(struct tmc_pack_checker *checker, void *data, size_t bytes, uint64_t offset)
{
	checker->read_bytes += bytes;
	return tmc_pack_read(checker->repo->packs, checker->pack, data, bytes, offset);
}

static int footer_damaged(struct tmc_pack_checker *checker)
{
	return failure_set(-EBADMSG, "%s is damaged: its footer is not what its name says",
			   checker->text);
}

/* Blobs end where the footer begins; all sums are of 64 bits and cannot overflow. */
static int check_trailer(struct tmc_pack_checker *checker)
{
	struct tmc_trailer_disk trailer;
	uint64_t bytes = checker->pack->bytes;
	int ret;

	if (bytes < sizeof(trailer) || bytes > UINT32_MAX)
		return failure_set(-EBADMSG, "%s is damaged: its size makes no sense", checker->text);
	ret = read_pack(checker, &trailer, sizeof(trailer), bytes - sizeof(trailer));
	if (ret < 0)
		return ret;
	checker->nr_blobs = get_le32(trailer.nr_blobs);
	checker->footer_offset = get_le64(trailer.footer_offset);
	if (memcmp(trailer.magic, TMC_TRAILER_MAGIC, sizeof(trailer.magic)) ||
	    get_le32(trailer.crc) != crc32c(0, &trailer, offsetof(struct tmc_trailer_disk, crc)) ||
	    !is_zero(trailer.zero, sizeof(trailer.zero)) ||
	    !tmc_id_equal(&trailer.name, &checker->pack->id) || !checker->nr_blobs ||
	    checker->footer_offset < sizeof(struct tmc_object_header_disk) ||
	    checker->footer_offset > bytes ||
	    checker->footer_offset + (uint64_t)checker->nr_blobs *
			sizeof(struct tmc_footer_entry_disk) + sizeof(trailer) != bytes)
		return footer_damaged(checker);
	return 0;
}

static int read_footer(struct tmc_pack_checker *checker, uint32_t first, uint32_t *ret_nr)
{
	uint32_t left = checker->nr_blobs - first;

	*ret_nr = left < FOOTER_ENTRIES ? left : FOOTER_ENTRIES;
	return read_pack(checker, checker->footer, *ret_nr * sizeof(*checker->footer),
			 checker->footer_offset + (uint64_t)first * sizeof(*checker->footer));
}

static int check_footer(struct tmc_pack_checker *checker)
{
	struct tmc_hash *hash = tmc_blob_coder_hash(checker->coder);
	struct tmc_object_header_disk header;
	struct tmc_id name;
	uint32_t nr;
	int ret = check_trailer(checker);

	if (!ret)
		ret = read_pack(checker, &header, sizeof(header), 0);
	if (!ret)
		ret = tmc_hash_start(hash);
	if (!ret)
		ret = tmc_hash_update(hash, &header, sizeof(header));
	for (uint32_t first = 0; !ret && first < checker->nr_blobs; first += nr) {
		ret = read_footer(checker, first, &nr);
		if (!ret)
			ret = tmc_hash_update(hash, checker->footer,
					      nr * sizeof(*checker->footer));
	}
	if (!ret)
		ret = tmc_hash_finish(hash, &name);
	if (ret < 0)
		return ret;
	return tmc_id_equal(&name, &checker->pack->id) ? 0 : footer_damaged(checker);
}

/* Bytes of the pack, which are there and at most WINDOW_BYTES, through the window. */
static int get_bytes(struct tmc_pack_checker *checker, uint64_t offset, size_t bytes,
		     const void **ret_data)
{
	int ret;

	if (offset > checker->pack->bytes)
		return failure_set(-EBADMSG, "%s is damaged: it is cut off", checker->text);
	if (offset < checker->window_offset ||
	    offset + bytes > checker->window_offset + checker->window_bytes) {
		size_t window = checker->depth == TMC_PACK_STRUCTURE ? NODES_BYTES : WINDOW_BYTES;
		uint64_t left = checker->pack->bytes - offset;
		size_t part = left < window ? (size_t)left : window;

		if (bytes > part)
			return failure_set(-EBADMSG, "%s is damaged: it is cut off", checker->text);
		checker->window_bytes = 0;
		checker->read_bytes += part;
		ret = tmc_pack_read_large(checker->repo->packs, checker->pack, checker->window, part,
					  offset, &checker->window_data);
		if (ret < 0)
			return ret;
		checker->window_offset = offset;
		checker->window_bytes = part;
	}
	*ret_data = checker->window_data + (offset - checker->window_offset);
	return 0;
}

static int check_blob(struct tmc_pack_checker *checker, const struct tmc_entry *entry)
{
	bool trusted = checker->depth == TMC_PACK_STRUCTURE && entry->blob.type == TMC_BLOB_CHUNK;
	const void *disk = NULL;
	int ret = 0;

	if (!trusted)
		ret = get_bytes(checker, entry->offset, tmc_blob_disk_bytes(&entry->blob), &disk);
	if (!ret && !trusted)
		ret = tmc_blob_decode(checker->coder, &entry->blob, disk, checker->text,
				      entry->offset, checker->raw);
	if (!ret)
		checker->ops.good(checker->ops.context, &checker->pack->id, entry);
	return ret;
}

/* The footer is authentic: a blob that is damaged does not hide the next one. */
static int check_listed(struct tmc_pack_checker *checker)
{
	uint64_t offset = sizeof(struct tmc_object_header_disk);
	uint32_t nr;

	for (uint32_t first = 0; first < checker->nr_blobs; first += nr) {
		int ret = read_footer(checker, first, &nr);

		if (ret < 0)
			return ret;
		for (uint32_t i = 0; i < nr; i++) {
			const struct tmc_footer_entry_disk *disk = &checker->footer[i];
			struct tmc_entry entry = { .offset = get_le32(disk->offset) };

			if (!tmc_blob_info_get(&disk->info, &disk->id, &entry.blob) ||
			    !tmc_blob_is_valid(&entry.blob, &checker->repo->limits) ||
			    entry.offset != offset)
				return failure_set(-EBADMSG, "%s is damaged: its footer makes no "
						   "sense", checker->text);
			offset += tmc_blob_disk_bytes(&entry.blob);
			ret = check_blob(checker, &entry);
			if (ret < 0)
				checker->ops.damage(checker->ops.context, ret);
		}
	}
	if (offset != checker->footer_offset)
		return failure_set(-EBADMSG, "%s is damaged: its footer makes no sense",
				   checker->text);
	return 0;
}

/* The next offset, from this one on, where a blob may begin; false at the end. */
static bool seek_blob(struct tmc_pack_checker *checker, uint64_t *offset)
{
	const void *disk = NULL;

	while (*offset <= UINT32_MAX &&
	       !get_bytes(checker, *offset, sizeof(struct tmc_blob_header_disk), &disk)) {
		size_t bytes = checker->window_bytes - (*offset - checker->window_offset);
		const void *found = memmem(disk, bytes, TMC_BLOB_MAGIC, sizeof(TMC_BLOB_MAGIC) - 1);

		if (found) {
			*offset += (uint64_t)((const uint8_t *)found - (const uint8_t *)disk);
			return *offset <= UINT32_MAX;
		}
		*offset += bytes - (sizeof(TMC_BLOB_MAGIC) - 2);
	}
	return false;
}

/* What is found inside of another blob's payload is what its id says all the same. */
static void walk_blobs(struct tmc_pack_checker *checker)
{
	uint64_t offset = sizeof(struct tmc_object_header_disk);

	while (seek_blob(checker, &offset)) {
		struct tmc_entry entry = { .offset = (uint32_t)offset };
		struct tmc_blob_header_disk header;
		const void *disk = NULL;

		if (get_bytes(checker, offset, sizeof(header), &disk) < 0)
			return;
		memcpy(&header, disk, sizeof(header));
		offset++;
		if (!tmc_blob_info_get(&header.info, &header.id, &entry.blob) ||
		    !tmc_blob_is_valid(&entry.blob, &checker->repo->limits))
			continue;
		check_blob(checker, &entry);
		offset = entry.offset + tmc_blob_disk_bytes(&entry.blob);
	}
}

/* Without a footer nothing is known of a chunk but what its bytes prove. */
static void walk_damaged(struct tmc_pack_checker *checker, int error)
{
	checker->ops.damage(checker->ops.context, error);
	checker->depth = TMC_PACK_EVERY_BYTE;
	walk_blobs(checker);
}

void tmc_pack_check(struct tmc_pack_checker *checker, const struct tmc_id *id,
		    enum tmc_pack_depth depth)
{
	struct tmc_pack_cache *packs = checker->repo->packs;
	int ret = tmc_pack_get(packs, id, &checker->pack);

	if (ret < 0) {
		checker->ops.damage(checker->ops.context, ret);
		return;
	}
	tmc_pack_describe(packs, id, checker->text);
	checker->window_bytes = 0;
	checker->depth = depth;
	checker->read_bytes = 0;
	ret = check_footer(checker);
	if (ret < 0) {
		walk_damaged(checker, ret);
	} else {
		ret = check_listed(checker);
		if (ret < 0)
			checker->ops.damage(checker->ops.context, ret);
	}
	checker->ops.progress(checker->ops.context, checker->pack->bytes, checker->read_bytes);
	tmc_pack_put(packs, checker->pack);
}

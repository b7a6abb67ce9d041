// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two writers at once, or a backup after a pack was lost, store a blob a second
 * time: then the second copy is as good as the first.
 */
#include "catalog/blob_read.h"

#include "catalog/repo.h"
#include "common/first_failure.h"

static int read_at(struct tmc_repo *repo, const struct tmc_location *location,
		   struct tmc_blob_coder *coder, void *disk, void *ret_raw, char ret_text[TMC_STORE_TEXT])
{
	const struct tmc_entry *entry = &location->entry;
	struct tmc_pack *pack;
	int ret = tmc_pack_get(repo->packs, &location->pack, &pack);

	if (ret < 0)
		return ret;
	ret = tmc_pack_read(repo->packs, pack, disk, tmc_blob_disk_bytes(&entry->blob),
			    entry->offset);
	tmc_pack_put(repo->packs, pack);
	tmc_pack_describe(repo->packs, &location->pack, ret_text);
	return ret ? ret : tmc_blob_decode(coder, &entry->blob, disk, ret_text,
					   entry->offset, ret_raw);
}

int tmc_blob_read(struct tmc_repo *repo, enum tmc_blob_type type, const struct tmc_id *id,
		  struct tmc_blob_coder *coder, void *disk, void *ret_raw, struct tmc_blob *ret_blob,
		  char ret_text[TMC_STORE_TEXT])
{
	struct tmc_location location;
	struct first_failure first;
	size_t tried;
	int ret = tmc_index_set_find(repo->indexes, type, id, &location);

	if (ret < 0)
		return ret;
	*ret_blob = location.entry.blob;
	ret = read_at(repo, &location, coder, disk, ret_raw, ret_text);
	if (!ret)
		return 0;
	first_failure_init(&first);
	first_failure_note(&first, ret);
	tried = location.number;
	tmc_index_set_refresh(repo->indexes); /* the other place may be new */
	for (size_t n = 0; tmc_index_set_get(repo->indexes, n); n++) {
		if (n == tried ||
		    tmc_index_set_find_in(repo->indexes, n, type, id, &location) <= 0)
			continue;
		*ret_blob = location.entry.blob;
		if (!read_at(repo, &location, coder, disk, ret_raw, ret_text))
			return 0;
	}
	return first_failure_get(&first);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Its checksum proves no more than that it is whole. In an encrypted repository
 * the key slots hold its digest, which is compared as soon as one is open.
 */
#include "catalog/config.h"

#include "catalog/codec.h"
#include "catalog/id.h"
#include "catalog/keys.h"
#include "catalog/object.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <stddef.h>

#define CHECKED_BYTES offsetof(struct tmc_config_disk, check)

static bool is_power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

bool tmc_config_is_chunk_size(uint32_t bytes)
{
	return is_power_of_two(bytes) && bytes >= TMC_CHUNK_BYTES_MIN && bytes <= TMC_CHUNK_BYTES_MAX;
}

int tmc_config_init(struct tmc_config_disk *ret_disk, const struct tmc_keys *keys,
		    const struct tmc_repo_options *options, struct tmc_id *ret_digest)
{
	CLEANUP_HASH struct tmc_hash *hash = tmc_hash_create(NULL);
	uint32_t chunk_bytes = options->chunk_bytes;
	int ret;

	if (!hash)
		return failure_set(-ENOMEM, "out of memory");
	if (!tmc_config_is_chunk_size(chunk_bytes))
		return failure_set(-EINVAL, "a chunk size of %u bytes is not possible: take a power "
				   "of two from %u to %u", chunk_bytes, TMC_CHUNK_BYTES_MIN,
				   TMC_CHUNK_BYTES_MAX);
	ret = tmc_compression_check(&options->compression);
	if (ret < 0)
		return ret;
	*ret_disk = (struct tmc_config_disk){
		.chunk_bytes = put_le32(chunk_bytes),
		.fan_out = put_le32(TMC_FAN_OUT),
		.hash = put_le32(tmc_keys_is_encrypted(keys) ? TMC_HASH_HMAC : TMC_HASH_SHA256),
		.compression = (uint8_t)options->compression.method,
		.level = (uint8_t)options->compression.level,
	};
	ret = tmc_object_header_init(&ret_disk->header, TMC_OBJECT_CONFIG, keys);
	if (!ret)
		tmc_object_header_require(&ret_disk->header, TMC_RO_COMPAT_SESSIONS);
	if (!ret)
		ret = tmc_hash_once(hash, ret_disk, CHECKED_BYTES, &ret_disk->check);
	return ret ? ret : tmc_hash_once(hash, ret_disk, sizeof(*ret_disk), ret_digest);
}

int tmc_config_write(struct tmc_store *store, const struct tmc_config_disk *disk)
{
	struct tmc_draft *draft;
	int ret = tmc_store_begin(store, &draft);

	if (ret < 0)
		return ret;
	ret = tmc_store_write(draft, disk, sizeof(*disk));
	if (ret < 0) {
		tmc_store_discard(draft);
		return ret;
	}
	return tmc_store_seal(draft, TMC_STORE_CONFIG, NULL);
}

/* Where there are points the advice to make a repository would be a bad one. */
static int no_config(struct tmc_store *store, const char *path)
{
	CLEANUP_FREE struct tmc_id *points = NULL;
	size_t nr;

	if (!tmc_store_list(store, TMC_STORE_POINT, &points, &nr) && nr)
		return failure_set(-EBADMSG, "%s/config is missing or damaged, and %s has restore "
				   "points: put a copy of the config back, or run \"tidemark "
				   "repair\"", path, path);
	return failure_set(-EMEDIUMTYPE, "%s is no repository of Tidemark; make one with "
			   "\"tidemark init\"", path);
}

static int read_disk(struct tmc_store *store, const char *path, struct tmc_config_disk *ret_disk)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;
	int ret = tmc_store_get(store, TMC_STORE_CONFIG, NULL, &fd, &bytes);

	if (ret == -ENOENT)
		return no_config(store, path);
	if (ret < 0)
		return ret;
	ret = io_read_full(fd, ret_disk, sizeof(*ret_disk), 0);
	if (ret < 0 && ret != -ENODATA)
		return failure_set(ret, "cannot read %s/config: %s", path, strerror(-ret));
	if (bytes < sizeof(TMC_MAGIC) - 1 ||
	    memcmp(ret_disk->header.magic, TMC_MAGIC, sizeof(ret_disk->header.magic)))
		return no_config(store, path);
	if (ret < 0)
		return failure_set(-EBADMSG, "%s/config is damaged: it is cut off", path);
	return 0;
}

static int parse(const struct tmc_config_disk *disk, const char *path, struct tmc_config *config)
{
	uint32_t hash = get_le32(disk->hash);

	config->ro_compat = get_le64(disk->header.ro_compat) & ~TMC_RO_COMPAT_SESSIONS;
	config->heeds_sessions = get_le64(disk->header.ro_compat) & TMC_RO_COMPAT_SESSIONS;
	config->encrypted = get_le64(disk->header.incompat) & TMC_INCOMPAT_ENCRYPTED;
	config->repo_id = disk->header.repo_id;
	config->created_ns = get_le64(disk->header.begun_ns);
	config->chunk_bytes = get_le32(disk->chunk_bytes);
	config->fan_out = get_le32(disk->fan_out);
	config->compression.method = disk->compression;
	config->compression.level = disk->level;
	if (hash != TMC_HASH_SHA256 && hash != TMC_HASH_HMAC)
		return failure_set(-EPROTONOSUPPORT, "%s uses a hash that this Tidemark does not "
				   "know: install a newer version", path);
	if (tmc_compression_check(&config->compression) < 0)
		return failure_set(-EPROTONOSUPPORT, "%s uses a compression that this Tidemark does "
				   "not know: install a newer version", path);
	if ((hash == TMC_HASH_HMAC) != config->encrypted || !tmc_config_is_chunk_size(config->chunk_bytes) ||
	    !is_power_of_two(config->fan_out) || config->fan_out < 2 ||
	    config->fan_out > TMC_FAN_OUT_MAX || !is_zero(disk->zero, sizeof(disk->zero)))
		return failure_set(-EBADMSG, "%s/config is damaged: it makes no sense", path);
	return 0;
}

int tmc_config_read(struct tmc_store *store, const char *path, struct tmc_config *ret_config)
{
	CLEANUP_HASH struct tmc_hash *hash = tmc_hash_create(NULL);
	struct tmc_config_disk disk;
	char text[TMC_STORE_TEXT];
	struct tmc_id check;
	int ret;

	if (!hash)
		return failure_set(-ENOMEM, "out of memory");
	tmc_store_describe(store, TMC_STORE_CONFIG, NULL, text);
	ret = read_disk(store, path, &disk);
	if (!ret)
		ret = tmc_object_header_check(&disk.header, TMC_OBJECT_CONFIG, NULL, text,
					      NULL);
	if (!ret)
		ret = tmc_hash_once(hash, &disk, CHECKED_BYTES, &check);
	if (!ret)
		ret = tmc_hash_once(hash, &disk, sizeof(disk), &ret_config->digest);
	if (ret < 0)
		return ret;
	if (!tmc_id_equal(&check, &disk.check))
		return failure_set(-EBADMSG, "%s is damaged: it fails its checksum", text);
	return parse(&disk, path, ret_config);
}

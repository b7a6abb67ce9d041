// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Create, open and close a repository. Opening reads one object of 256 bytes;
 * everything else is for whoever needs it.
 */
#include "catalog/repo.h"

#include "catalog/object.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

#define CHECKED_BYTES offsetof(struct tmc_config_disk, check)

static bool is_power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static void close_store(struct tmc_store **store)
{
	tmc_store_close(*store);
}

static int write_config(struct tmc_store *store, const struct tmc_config_disk *config)
{
	struct tmc_draft *draft;
	int ret = tmc_store_begin(store, &draft);

	if (ret < 0)
		return ret;
	ret = tmc_store_write(draft, config, sizeof(*config));
	if (ret < 0) {
		tmc_store_discard(draft);
		return ret;
	}
	return tmc_store_seal(draft, TMC_STORE_CONFIG, NULL);
}

int tmc_repo_create(const char *path, uint32_t chunk_bytes)
{
	__attribute__((cleanup(close_store))) struct tmc_store *store = NULL;
	CLEANUP_HASH struct tmc_hash *hash = tmc_hash_create();
	struct tmc_config_disk config = {
		.chunk_bytes = put_le32(chunk_bytes),
		.fan_out = put_le32(TMC_FAN_OUT),
		.hash = put_le32(TMC_HASH_SHA256),
	};
	struct tmc_id id;
	int ret;

	if (!hash)
		return failure_set(-ENOMEM, "out of memory");
	if (!is_power_of_two(chunk_bytes) || chunk_bytes < TMC_CHUNK_BYTES_MIN ||
	    chunk_bytes > TMC_CHUNK_BYTES_MAX)
		return failure_set(-EINVAL, "a chunk size of %u bytes is not possible: take a power "
				   "of two from %u to %u", chunk_bytes, TMC_CHUNK_BYTES_MIN,
				   TMC_CHUNK_BYTES_MAX);
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return failure_set(-EIO, "the kernel gives no random numbers");
	ret = tmc_object_header_init(&config.header, TMC_OBJECT_CONFIG, &id);
	if (!ret)
		ret = tmc_hash_once(hash, &config, CHECKED_BYTES, &config.check);
	if (!ret)
		ret = tmc_store_create(path);
	if (!ret)
		ret = tmc_store_open(path, &store);
	return ret ? ret : write_config(store, &config);
}

static int not_a_repository(const char *path)
{
	return failure_set(-EMEDIUMTYPE, "%s is no repository of Tidemark; make one with "
			   "\"tidemark init\"", path);
}

static int read_config(struct tmc_store *store, const char *path,
		       struct tmc_config_disk *ret_config)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;
	int ret = tmc_store_get(store, TMC_STORE_CONFIG, NULL, &fd, &bytes);

	if (ret == -ENOENT)
		return not_a_repository(path);
	if (ret < 0)
		return ret;
	ret = io_read_full(fd, ret_config, sizeof(*ret_config), 0);
	if (ret < 0 && ret != -ENODATA)
		return failure_set(ret, "cannot read %s/config: %s", path, strerror(-ret));
	if (bytes < sizeof(TMC_MAGIC) - 1 ||
	    memcmp(ret_config->header.magic, TMC_MAGIC, sizeof(ret_config->header.magic)))
		return not_a_repository(path);
	if (ret < 0)
		return failure_set(-EBADMSG, "%s/config is damaged: it is cut off", path);
	return 0;
}

static int parse_config(struct tmc_repo *repo, const char *path,
			const struct tmc_config_disk *config)
{
	CLEANUP_HASH struct tmc_hash *hash = tmc_hash_create();
	char text[TMC_STORE_TEXT];
	struct tmc_id check;
	int ret;

	if (!hash)
		return failure_set(-ENOMEM, "out of memory");
	tmc_store_describe(repo->store, TMC_STORE_CONFIG, NULL, text);
	ret = tmc_object_header_check(&config->header, TMC_OBJECT_CONFIG, NULL, text,
				      &repo->ro_compat);
	if (!ret)
		ret = tmc_hash_once(hash, config, CHECKED_BYTES, &check);
	if (ret < 0)
		return ret;
	repo->info.id = config->header.repo_id;
	repo->info.chunk_bytes = get_le32(config->chunk_bytes);
	repo->info.created_ns = get_le64(config->header.begun_ns);
	repo->limits.chunk_bytes = repo->info.chunk_bytes;
	repo->limits.fan_out = get_le32(config->fan_out);
	if (!tmc_id_equal(&check, &config->check))
		return failure_set(-EBADMSG, "%s is damaged: it fails its checksum", text);
	if (get_le32(config->hash) != TMC_HASH_SHA256)
		return failure_set(-EPROTONOSUPPORT, "%s uses a hash that this Tidemark does not "
				   "know: install a newer version", path);
	if (!is_power_of_two(repo->limits.chunk_bytes) ||
	    repo->limits.chunk_bytes < TMC_CHUNK_BYTES_MIN ||
	    repo->limits.chunk_bytes > TMC_CHUNK_BYTES_MAX ||
	    !is_power_of_two(repo->limits.fan_out) || repo->limits.fan_out < 2 ||
	    repo->limits.fan_out > TMC_FAN_OUT_MAX || !is_zero(config->zero, sizeof(config->zero)))
		return failure_set(-EBADMSG, "%s is damaged: it makes no sense", text);
	return 0;
}

static int open_parts(struct tmc_repo *repo, const char *path)
{
	struct tmc_config_disk config;
	int ret = tmc_store_open(path, &repo->store);

	if (!ret)
		ret = read_config(repo->store, path, &config);
	if (!ret)
		ret = parse_config(repo, path, &config);
	if (ret < 0)
		return ret;
	repo->indexes = tmc_index_set_create(repo->store, &repo->info.id, &repo->limits);
	repo->packs = tmc_pack_cache_create(repo->store, &repo->info.id);
	if (!repo->indexes || !repo->packs)
		return failure_set(-ENOMEM, "out of memory");
	return 0;
}

int tmc_repo_open(const char *path, struct tmc_repo **ret_repo)
{
	struct tmc_repo *repo = calloc(1, sizeof(*repo));
	int ret;

	if (!repo)
		return failure_set(-ENOMEM, "out of memory");
	ret = open_parts(repo, path);
	if (ret < 0) {
		tmc_repo_close(repo);
		return ret;
	}
	*ret_repo = repo;
	return 0;
}

void tmc_repo_close(struct tmc_repo *repo)
{
	if (!repo)
		return;
	tmc_pack_cache_destroy(repo->packs);
	tmc_index_set_destroy(repo->indexes);
	tmc_store_close(repo->store);
	free(repo);
}

void tmc_repo_get_info(const struct tmc_repo *repo, struct tmc_repo_info *ret_info)
{
	*ret_info = repo->info;
}

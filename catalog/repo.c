// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Create, open and close a repository. Opening reads one object of 256 bytes;
 * everything else is for whoever needs it.
 */
#include "catalog/repo.h"

#include "catalog/codec.h"
#include "catalog/config.h"
#include "catalog/generation.h"
#include "catalog/key_slot.h"
#include "catalog/session.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <sys/random.h>

static void close_store(struct tmc_store **store)
{
	tmc_store_close(*store);
}

static void destroy_keys(struct tmc_keys **keys)
{
	tmc_keys_destroy(*keys);
}

/* The key is there before the repository is: what is cut short in between is none. */
static int make_key(struct tmc_store *store, struct tmc_keys *keys,
		    const struct tmc_repo_options *options, const struct tmc_id *config_digest)
{
	struct tmc_slot_secret secret = { .config_digest = *config_digest };
	const char *label = options->label ? options->label : "";
	struct tmc_id ignored;
	int ret;

	if (getrandom(secret.master, sizeof(secret.master), 0) != sizeof(secret.master))
		return failure_set(-EIO, "the kernel gives no random numbers");
	ret = tmc_keys_unlock(keys, secret.master);
	if (!ret)
		ret = tmc_key_slot_store(store, keys, options->passphrase, label, &secret,
					 &ignored);
	tmc_slot_secret_wipe(&secret);
	return ret;
}

int tmc_repo_create(const char *path, uint32_t chunk_bytes)
{
	struct tmc_repo_options options = { .chunk_bytes = chunk_bytes };

	return tmc_repo_create_with(path, &options);
}

int tmc_repo_create_with(const char *path, const struct tmc_repo_options *options)
{
	CLEANUP(close_store) struct tmc_store *store = NULL;
	CLEANUP(destroy_keys) struct tmc_keys *keys = NULL;
	struct tmc_config_disk config;
	struct tmc_id id, digest;
	int ret = options->passphrase ? tmc_passphrase_check(options->passphrase) : 0;

	if (ret < 0)
		return ret;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return failure_set(-EIO, "the kernel gives no random numbers");
	keys = tmc_keys_create(&id, options->passphrase);
	if (!keys)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_config_init(&config, keys, options, &digest);
	if (!ret)
		ret = tmc_store_create(path);
	if (!ret)
		ret = tmc_store_open(path, &store);
	if (!ret)
		ret = tmc_store_enter(store, "init");
	if (!ret && options->passphrase)
		ret = make_key(store, keys, options, &digest);
	return ret ? ret : tmc_config_write(store, &config);
}

static int open_parts(struct tmc_repo *repo, const char *path)
{
	struct tmc_config config;
	int ret = tmc_store_open(path, &repo->store);

	if (!ret)
		ret = tmc_config_read(repo->store, path, &config);
	if (ret < 0)
		return ret;
	repo->info = (struct tmc_repo_info){
		.id = config.repo_id,
		.compression = config.compression,
		.chunk_bytes = config.chunk_bytes,
		.created_ns = config.created_ns,
	};
	repo->limits = (struct tmc_limits){
		.chunk_bytes = config.chunk_bytes,
		.fan_out = config.fan_out,
		.seal_bytes = config.encrypted ? TMC_BLOB_SEAL_BYTES : 0,
	};
	repo->compression = config.compression;
	repo->ro_compat = config.ro_compat;
	repo->heeds_sessions = config.heeds_sessions;
	repo->config_digest = config.digest;
	repo->keys = tmc_keys_create(&config.repo_id, config.encrypted);
	if (!repo->keys)
		return failure_set(-ENOMEM, "out of memory");
	repo->indexes = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	repo->packs = tmc_pack_cache_create(repo->store, repo->keys);
	if (!repo->indexes || !repo->packs)
		return failure_set(-ENOMEM, "out of memory");
	return 0;
}

static int (*watch_open)(struct tmc_repo *repo, const char *path);
static void (*watch_close)(struct tmc_repo *repo);

void tmc_repo_watch(int (*on_open)(struct tmc_repo *repo, const char *path),
		    void (*on_close)(struct tmc_repo *repo))
{
	watch_open = on_open;
	watch_close = on_close;
}

int tmc_repo_open(const char *path, struct tmc_repo **ret_repo)
{
	struct tmc_repo *repo = calloc(1, sizeof(*repo));
	int ret;

	if (!repo)
		return failure_set(-ENOMEM, "out of memory");
	pthread_mutex_init(&repo->lock, NULL);
	ret = open_parts(repo, path);
	if (!ret && watch_open)
		ret = watch_open(repo, path);
	repo->watched = !ret && watch_close;
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
	if (repo->watched)
		watch_close(repo);
	tmc_pack_cache_destroy(repo->packs);
	tmc_index_set_destroy(repo->indexes);
	tmc_keys_destroy(repo->keys);
	tmc_store_close(repo->store);
	tmc_dooms_clear(&repo->avoided);
	pthread_mutex_destroy(&repo->lock);
	free(repo);
}

static int avoid_dooms(struct tmc_repo *repo)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	int ret;

	tmc_dooms_clear(&repo->avoided);
	ret = tmc_dooms_load(repo->store, repo->keys, &repo->avoided);
	if (ret < 0)
		return ret;
	tmc_index_set_avoid(repo->indexes, &repo->avoided);
	ids = calloc(repo->avoided.nr + 1, sizeof(*ids));
	if (!ids)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < repo->avoided.nr; i++)
		ids[i] = repo->avoided.dooms[i].id;
	return tmc_session_avoid(tmc_store_session(repo->store), ids, repo->avoided.nr);
}

static int enter_locked(struct tmc_repo *repo, const char *task)
{
	int ret;

	if (repo->entered)
		return 0;
	ret = tmc_store_enter(repo->store, task);
	if (!ret)
		ret = avoid_dooms(repo);
	repo->entered = !ret;
	return ret;
}

int tmc_repo_enter(struct tmc_repo *repo, const char *task)
{
	LOCK_SCOPE(&repo->lock);
	return enter_locked(repo, task);
}

int tmc_repo_check_writable(const struct tmc_repo *repo)
{
	return repo->ro_compat ? failure_set(-EPROTONOSUPPORT, "a newer Tidemark has changed the "
					     "repository so that this one may only read it: "
					     "install a newer version") : 0;
}

int tmc_repo_begin_write(struct tmc_repo *repo, const char *task)
{
	int ret = tmc_repo_check_writable(repo);

	LOCK_SCOPE(&repo->lock);
	if (!ret && repo->prunes)
		ret = failure_set(-EBUSY, "the same handle of the repository prunes it");
	if (!ret)
		ret = enter_locked(repo, task);
	repo->nr_writers += !ret;
	return ret;
}

void tmc_repo_end_write(struct tmc_repo *repo)
{
	LOCK_SCOPE(&repo->lock);
	repo->nr_writers--;
}

int tmc_repo_begin_prune(struct tmc_repo *repo, const char *task)
{
	int ret = tmc_repo_check_writable(repo);

	LOCK_SCOPE(&repo->lock);
	if (!ret && !repo->heeds_sessions)
		ret = failure_set(-EPROTONOSUPPORT, "the repository was made by a Tidemark that does "
				  "not heed what a prune gives up: \"tidemark copy\" its points to a "
				  "new one");
	if (!ret && (repo->prunes || repo->nr_writers))
		ret = failure_set(-EBUSY, "the same handle of the repository writes to it");
	if (!ret)
		ret = enter_locked(repo, task);
	if (!ret)
		repo->prunes = true;
	return ret;
}

void tmc_repo_end_prune(struct tmc_repo *repo)
{
	LOCK_SCOPE(&repo->lock);
	repo->prunes = false;
}

int tmc_repo_set_compression(struct tmc_repo *repo, const struct tmc_compression *compression)
{
	int ret = tmc_compression_check(compression);

	if (!ret)
		repo->compression = *compression;
	return ret;
}

int tmc_repo_get_generation(struct tmc_repo *repo, uint64_t *ret_generation)
{
	int ret = tmc_keys_check(repo->keys);

	return ret ? ret : tmc_generation_get(repo, ret_generation);
}

void tmc_repo_get_info(const struct tmc_repo *repo, struct tmc_repo_info *ret_info)
{
	*ret_info = repo->info;
	ret_info->encrypted = tmc_keys_is_encrypted(repo->keys);
	ret_info->locked = ret_info->encrypted && tmc_keys_check(repo->keys) < 0;
}

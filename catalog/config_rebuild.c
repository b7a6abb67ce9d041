// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A config that is lost, made anew from the restore points of a repository that is not
 * encrypted. A point whose name is the SHA-256 of its bytes is what was written, and
 * names the repository and its chunk size; that trees have nodes of the usual size
 * is proved by the first root that can be read as one. How writers compress where they
 * are told nothing else, and when the repository was made, is lost.
 *
 * Not handled: a repository that is encrypted. The digest of its config is sealed with its
 * keys, so that nothing can stand in for it.
 */
#include "catalog/config.h"
#include "catalog/object.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <stdlib.h>

struct found {
	struct tmc_id repo_id;
	uint32_t chunk_bytes;
	size_t nr_points;
	bool has_nodes; /* of the usual size */
};

static bool is_damage(int error)
{
	return error == -EBADMSG || error == -EIO;
}

/* ---------------------------------------------------------------------- points */

static void close_view(struct tmc_repo *view)
{
	tmc_index_set_destroy(view->indexes);
	tmc_pack_cache_destroy(view->packs);
	tmc_keys_destroy(view->keys);
}

/* The repository as it was if this point speaks the truth. */
static int open_view(struct tmc_repo *view, struct tmc_store *store,
		     const struct tmc_point_disk *disk)
{
	view->store = store;
	view->limits.chunk_bytes = get_le32(disk->chunk_bytes);
	view->limits.fan_out = TMC_FAN_OUT;
	view->keys = tmc_keys_create(&disk->header.repo_id, false);
	if (!view->keys)
		return failure_set(-ENOMEM, "out of memory");
	view->indexes = tmc_index_set_create(store, view->keys, &view->limits);
	view->packs = tmc_pack_cache_create(store, view->keys);
	return view->indexes && view->packs ? 0 : failure_set(-ENOMEM, "out of memory");
}

static int read_root(struct tmc_repo *view, const struct tmc_tree *tree)
{
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(view);
	struct tmc_id ids[TMC_FAN_OUT];

	if (!reader)
		return failure_set(-ENOMEM, "out of memory");
	return tmc_node_read(reader, tree, tree->levels - 1, 0, &tree->root, ids);
}

static int take_point(struct tmc_store *store, const struct tmc_id *id,
		      const struct tmc_point_disk *disk, struct found *found)
{
	CLEANUP(close_view) struct tmc_repo view = { 0 };
	struct tmc_point point;
	struct tmc_tree tree;
	int ret = open_view(&view, store, disk);

	if (!ret)
		ret = tmc_point_load(&view, id, &point, &tree);
	if (ret < 0)
		return is_damage(ret) || ret == -ENOENT ? 0 : ret;
	if (found->nr_points && (!tmc_id_equal(&found->repo_id, &disk->header.repo_id) ||
				 found->chunk_bytes != point.chunk_bytes))
		return failure_set(-EBADMSG, "%s has restore points of several repositories: put a "
				   "copy of the config back", tmc_store_path(store));
	found->repo_id = disk->header.repo_id;
	found->chunk_bytes = point.chunk_bytes;
	found->nr_points++;
	if (!found->has_nodes && tree.nr_chunks)
		ret = read_root(&view, &tree);
	found->has_nodes |= !ret;
	return ret == -ENOMEM ? ret : 0;
}

static int read_header(struct tmc_store *store, const struct tmc_id *id,
		       struct tmc_point_disk *ret_disk)
{
	CLEANUP_CLOSE int fd = -1;
	char text[TMC_STORE_TEXT];
	uint64_t bytes;
	int ret = tmc_store_get(store, TMC_STORE_POINT, id, &fd, &bytes);

	if (!ret)
		ret = io_read_full(fd, ret_disk, sizeof(*ret_disk), 0);
	if (ret == -ENODATA)
		ret = failure_set(-EBADMSG, "it is cut off");
	tmc_store_describe(store, TMC_STORE_POINT, id, text);
	return ret ? ret : tmc_object_header_check(&ret_disk->header, TMC_OBJECT_POINT, NULL, text,
						   NULL);
}

static int is_encrypted(struct tmc_store *store)
{
	return failure_set(-EBADMSG, "%s is encrypted, and only the very config that it was made with "
			   "fits its keys: put a copy of it back", tmc_store_path(store));
}

static int look_at_point(struct tmc_store *store, const struct tmc_id *id, struct found *found)
{
	struct tmc_point_disk disk;
	int ret = read_header(store, id, &disk);

	if (ret < 0)
		return is_damage(ret) || ret == -ENOENT ? 0 : ret;
	if (get_le64(disk.header.incompat) & TMC_INCOMPAT_ENCRYPTED)
		return is_encrypted(store);
	return tmc_config_is_chunk_size(get_le32(disk.chunk_bytes)) ?
	       take_point(store, id, &disk, found) : 0;
}

static int look_at_points(struct tmc_store *store, struct found *found)
{
	CLEANUP_FREE struct tmc_id *ids = NULL, *keys = NULL;
	size_t nr = 0, nr_keys = 0;
	int ret = tmc_store_list(store, TMC_STORE_KEY, &keys, &nr_keys);

	if (!ret && nr_keys)
		ret = is_encrypted(store);
	if (!ret)
		ret = tmc_store_list(store, TMC_STORE_POINT, &ids, &nr);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = look_at_point(store, &ids[i], found);
	if (!ret && !(found->nr_points && found->has_nodes))
		ret = failure_set(-EBADMSG, "%s has no config, and no restore point that can be read and "
				  "tells what was in it: put a copy of it back",
				  tmc_store_path(store));
	return ret;
}

/* ---------------------------------------------------------------------- config */

static int make_config(struct tmc_store *store, const struct found *found)
{
	const struct tmc_repo_options options = { .chunk_bytes = found->chunk_bytes };
	struct tmc_keys *keys = tmc_keys_create(&found->repo_id, false);
	struct tmc_config_disk disk;
	struct tmc_id ignored;
	int ret = keys ? tmc_config_init(&disk, keys, &options, &ignored) :
			 failure_set(-ENOMEM, "out of memory");

	tmc_keys_destroy(keys);
	return ret ? ret : tmc_config_write(store, &disk);
}

/*
 * Between the two there is none, which the next repair finds as this one did. Where
 * another one was faster it stays.
 */
static int replace_config(struct tmc_store *store, const char *path, const struct found *found)
{
	struct tmc_config config;
	int ret = tmc_store_enter(store, "repair");

	if (ret < 0 || !tmc_config_read(store, path, &config))
		return ret;
	ret = tmc_store_put_aside(store, TMC_STORE_CONFIG, NULL);
	return ret && ret != -ENOENT ? ret : make_config(store, found);
}

static int run(struct tmc_store *store, const char *path, bool apply)
{
	struct found found = { 0 };
	struct tmc_config config;
	int ret = tmc_config_read(store, path, &config);

	if (!is_damage(ret))
		return ret;
	ret = look_at_points(store, &found);
	if (!ret && !apply)
		ret = failure_set(-EBADMSG, "%s/config is missing or damaged: \"tidemark repair --apply\" "
				  "makes it anew from what %zu restore points say", path,
				  found.nr_points);
	if (!ret)
		ret = replace_config(store, path, &found);
	return ret ? ret : 1;
}

int tmc_repair_config(const char *path, bool apply)
{
	struct tmc_store *store;
	int ret = tmc_store_open(path, &store);

	if (ret < 0)
		return ret;
	ret = run(store, path, apply);
	tmc_store_close(store);
	return ret;
}

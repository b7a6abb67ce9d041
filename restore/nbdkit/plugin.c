// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * nbdkit-tidemark-plugin: a restore point as a network block device, read-only. Whoever wants
 * to write puts nbdkit's cow filter in front. All connections share one image and its cache.
 *
 * Instants between points are not served: "tidemark restore --at" makes an image of one.
 *
 * The repository is opened behind nbdkit's fork, as an open one has threads; what cannot be
 * served is said before it, where nbdkit still ends with an error.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define CACHE_BYTES_DEFAULT (64u << 20)

static struct {
	char *repository;
	char *point; /* its name; NULL: the latest one */
	char *passphrase;
	int64_t cache_bytes;
} config = {.cache_bytes = CACHE_BYTES_DEFAULT};

static struct tmc_repo *repo;
static struct tmc_image *image;
static struct tmc_point point;

/* Of the catalog's latest call in this thread. */
static int failed(int error)
{
	nbdkit_error("%s", tmc_error_text());
	nbdkit_set_error(error == -ENOMEM || error == -EINVAL ? -error : EIO);
	return -1;
}

/* ---------------------------------------------------------------------- config */

static int set_text(char **to, char *value)
{
	free(*to);
	*to = value;
	if (!value)
		nbdkit_error("out of memory");
	return value ? 0 : -1;
}

static int tidemark_config(const char *key, const char *value)
{
	if (strcmp(key, "repository") == 0)
		return set_text(&config.repository, nbdkit_absolute_path(value));
	if (strcmp(key, "point") == 0)
		return set_text(&config.point, strdup(value));
	if (strcmp(key, "passphrase") == 0) {
		free(config.passphrase);
		config.passphrase = NULL;
		return nbdkit_read_password(value, &config.passphrase);
	}
	if (strcmp(key, "cache") == 0) {
		config.cache_bytes = nbdkit_parse_size(value);
		return config.cache_bytes < 0 ? -1 : 0;
	}
	nbdkit_error("unknown parameter \"%s\"; there are repository, point, passphrase and cache",
		     key);
	return -1;
}

static int tidemark_config_complete(void)
{
	const char *usual = getenv("TIDEMARK_REPOSITORY");

	if (config.repository)
		return 0;
	if (usual)
		return set_text(&config.repository, nbdkit_absolute_path(usual));
	nbdkit_error("no repository; say repository=DIRECTORY, or set TIDEMARK_REPOSITORY");
	return -1;
}

#define tidemark_config_help                                              \
	"repository=DIRECTORY  the repository (default: $TIDEMARK_REPOSITORY)\n" \
	"point=POINT           as \"tidemark points\" names it (default: latest)\n" \
	"passphrase=+FILE      of an encrypted repository; \"-\" asks for it\n" \
	"cache=SIZE            of decoded content in memory (default: 64M)"

/* ------------------------------------------------------------------- open, close */

static int unlock(void)
{
	struct tmc_repo_info info;

	tmc_repo_get_info(repo, &info);
	if (!info.locked)
		return 0;
	if (config.passphrase)
		return tmc_repo_unlock(repo, config.passphrase) < 0 ? failed(-EIO) : 0;
	nbdkit_error("%s is encrypted; say passphrase=+FILE, or passphrase=- to be asked",
		     config.repository);
	return -1;
}

static int find_point(void)
{
	const char *name = config.point ? config.point : "latest";
	int r = tmc_repo_open(config.repository, &repo);

	if (r < 0)
		return failed(r);
	if (unlock() < 0)
		return -1;
	r = tmc_point_find(repo, name, NULL, &point);
	return r < 0 ? failed(r) : 0;
}

static int tidemark_get_ready(void)
{
	int r = find_point();

	tmc_repo_close(repo);
	repo = NULL;
	return r;
}

static int tidemark_after_fork(void)
{
	int r;

	if (find_point() < 0)
		return -1;
	r = tmc_image_open(repo, &point, (uint64_t)config.cache_bytes, &image);
	return r < 0 ? failed(r) : 0;
}

static void tidemark_unload(void)
{
	tmc_image_close(image);
	tmc_repo_close(repo);
	free(config.repository);
	free(config.point);
	if (config.passphrase)
		explicit_bzero(config.passphrase, strlen(config.passphrase));
	free(config.passphrase);
}

static void *tidemark_open(int readonly)
{
	return NBDKIT_HANDLE_NOT_NEEDED;
}

/* ------------------------------------------------------------------------- serve */

static int64_t tidemark_get_size(void *handle)
{
	return (int64_t)tmc_image_bytes(image);
}

static int tidemark_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			       uint32_t *maximum)
{
	*minimum = 1;
	*preferred = point.chunk_bytes;
	*maximum = UINT32_MAX;
	return 0;
}

static const char *tidemark_export_description(void *handle)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(&point.id, digits);
	return nbdkit_printf_intern("restore point %.12s of %s", digits, point.volume.name);
}

/* Nobody changes it. */
static int tidemark_can_multi_conn(void *handle)
{
	return 1;
}

static int tidemark_pread(void *handle, void *buffer, uint32_t count, uint64_t offset,
			  uint32_t flags)
{
	int r = tmc_image_read(image, offset, buffer, count);

	return r < 0 ? failed(r) : 0;
}

struct extents {
	struct nbdkit_extents *list;
	bool one; /* is enough */
};

static int add_extent(void *context, enum tmc_content content, uint64_t offset, uint64_t bytes)
{
	struct extents *extents = context;
	uint32_t type = content == TMC_CONTENT_ZERO ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;

	if (nbdkit_add_extent(extents->list, offset, bytes, type) < 0)
		return -EIO;
	return extents->one ? -ECANCELED : 0;
}

static int tidemark_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
			    struct nbdkit_extents *list)
{
	struct extents extents = {list, flags & NBDKIT_FLAG_REQ_ONE};
	struct tmc_part part = {.first_chunk = offset / point.chunk_bytes};
	int r;

	part.nr_chunks = (offset + count + point.chunk_bytes - 1) / point.chunk_bytes -
			 part.first_chunk;
	r = tmc_point_map(repo, &point, &part, add_extent, &extents);
	return r < 0 && r != -ECANCELED ? failed(r) : 0;
}

static struct nbdkit_plugin plugin = {
	.name = "tidemark",
	.version = TIDEMARK_VERSION,
	.longname = "Tidemark restore points",
	.description = "Serves a restore point of a Tidemark repository, read-only.",
	.config = tidemark_config,
	.config_complete = tidemark_config_complete,
	.config_help = tidemark_config_help,
	.magic_config_key = "point",
	.get_ready = tidemark_get_ready,
	.after_fork = tidemark_after_fork,
	.unload = tidemark_unload,
	.open = tidemark_open,
	.get_size = tidemark_get_size,
	.block_size = tidemark_block_size,
	.export_description = tidemark_export_description,
	.can_multi_conn = tidemark_can_multi_conn,
	.pread = tidemark_pread,
	.extents = tidemark_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)

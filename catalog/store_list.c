// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which objects there are in a directory. A list that cannot be read to its end is an
 * error, never a shorter list: docs/repository.md, invariant 8.
 */
#include "catalog/store_dir.h"

#include "catalog/id.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int tmc_store_open_directory(int dir_fd, const char *name, DIR **ret_dir)
{
	int fd = io_open(dir_fd, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	*ret_dir = fdopendir(fd);
	if (!*ret_dir) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

struct dirent *tmc_store_next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

int tmc_store_list_names(struct tmc_store *store, const char *directory, size_t name_bytes,
			 char **ret_names, size_t *ret_nr)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	CLEANUP_FREE char *names = NULL;
	struct dirent *entry;
	size_t nr = 0, capacity = 0;
	int ret = tmc_store_open_directory(tmc_store_root(store), directory, &dir);

	if (ret < 0)
		return tmc_store_error(store, ret, "list", directory);
	while ((entry = tmc_store_next_entry(dir))) {
		if (strlen(entry->d_name) != name_bytes - 1)
			continue;
		if (nr == capacity) {
			void *larger;

			capacity = capacity ? 2 * capacity : 16;
			larger = realloc(names, capacity * name_bytes);
			if (!larger)
				return failure_set(-ENOMEM, "out of memory");
			names = larger;
		}
		memcpy(names + nr++ * name_bytes, entry->d_name, name_bytes);
	}
	if (errno)
		return tmc_store_error(store, -errno, "list", directory);
	if (tmc_store_hooks.listed_names)
		tmc_store_hooks.listed_names(names, name_bytes, &nr);
	*ret_names = names;
	*ret_nr = nr;
	names = NULL;
	return 0;
}

struct id_list {
	struct tmc_id *ids;
	size_t nr, capacity;
};

/* Names that are no ids are not ours and are passed over. */
static int list_directory(struct tmc_store *store, const char *name, int first_byte,
			  struct id_list *list)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;
	int ret = tmc_store_open_directory(tmc_store_root(store), name, &dir);

	if (ret == -ENOENT && first_byte >= 0)
		return 0;
	if (ret < 0)
		return tmc_store_error(store, ret, "list", name);
	while ((entry = tmc_store_next_entry(dir))) {
		struct tmc_id id;

		if (!tmc_id_parse(entry->d_name, &id) ||
		    (first_byte >= 0 && id.bytes[0] != first_byte))
			continue;
		if (list->nr == list->capacity) {
			size_t capacity = list->capacity ? 2 * list->capacity : 64;
			void *ids = realloc(list->ids, capacity * sizeof(*list->ids));

			if (!ids)
				return failure_set(-ENOMEM, "out of memory");
			list->ids = ids;
			list->capacity = capacity;
		}
		list->ids[list->nr++] = id;
	}
	return errno ? tmc_store_error(store, -errno, "list", name) : 0;
}

static int list_aside_points(struct tmc_store *store, struct id_list *list)
{
	const char *prefix = strchr(TMC_STORE_ASIDE_POINTS, '/') + 1;
	size_t prefix_bytes = strlen(prefix), name_bytes = prefix_bytes + TMC_ID_TEXT, nr = 0;
	CLEANUP_FREE char *names = NULL;
	int ret = tmc_store_list_names(store, "aside", name_bytes, &names, &nr);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	list->ids = calloc(nr + 1, sizeof(*list->ids));
	if (!list->ids)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		const char *name = names + i * name_bytes;

		if (!strncmp(name, prefix, prefix_bytes) &&
		    tmc_id_parse(name + prefix_bytes, &list->ids[list->nr]))
			list->nr++;
	}
	return 0;
}

int tmc_store_list(struct tmc_store *store, enum tmc_store_kind kind, struct tmc_id **ret_ids,
		   size_t *ret_nr)
{
	const char *directory = tmc_store_directory(kind);
	struct id_list list = { 0 };
	char name[] = "packs/xx";
	int ret = 0;

	if (tmc_store_hooks.before)
		tmc_store_hooks.before(TMC_STORE_CALL_LIST, kind);
	if (kind == TMC_STORE_PACK) {
		for (int first = 0; !ret && first < 256; first++) {
			snprintf(name, sizeof(name), "packs/%02x", first);
			ret = list_directory(store, name, first, &list);
		}
	} else if (kind == TMC_STORE_ASIDE_POINT) {
		ret = list_aside_points(store, &list);
	} else if (!tmc_store_is_late(kind) ||
		   !faccessat(tmc_store_root(store), directory, F_OK, 0) || errno != ENOENT) {
		ret = list_directory(store, directory, -1, &list);
	}
	if (!ret && tmc_store_hooks.listed)
		ret = tmc_store_hooks.listed(kind, list.ids, &list.nr);
	if (ret < 0) {
		free(list.ids);
		return ret;
	}
	if (list.nr)
		qsort(list.ids, list.nr, sizeof(*list.ids), tmc_id_compare);
	*ret_ids = list.ids;
	*ret_nr = list.nr;
	return 0;
}

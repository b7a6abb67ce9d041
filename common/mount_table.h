/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The mounts of this process's mount namespace, from /proc/self/mountinfo.
 * Mounts that only other namespaces have are not in it.
 */
#ifndef COMMON_MOUNT_TABLE_H
#define COMMON_MOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mount {
	dev_t device;      /* major 0: the file system has no device of its own */
	char *mount_point; /* escapes undone */
	char *fs_type;
	char *source;
	bool read_only; /* the file system, whatever this mount of it allows */
};

struct mount_table {
	struct mount *mounts; /* in the order in which they were made */
	size_t nr;
};

/** path: "/proc/self/mountinfo". Errors: those of open and read, -ENOMEM. */
int mount_table_read(const char *path, struct mount_table *ret_table);
void mount_table_clear(struct mount_table *table);

/** The mount that an absolute path without symbolic links lies on; NULL: none. */
const struct mount *mount_table_find(const struct mount_table *table, const char *path);

#endif

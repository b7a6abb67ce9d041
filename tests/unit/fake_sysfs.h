/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A /sys and a mountinfo in a temporary directory, for code that asks where
 * block devices lie. Made anew for each test.
 */
#ifndef TESTS_UNIT_FAKE_SYSFS_H
#define TESTS_UNIT_FAKE_SYSFS_H

#include "common/block_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct fake_sysfs {
	char root[64];
	char mountinfo[96];
	struct block_tree tree;
};

static inline void fake_make_dirs(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0700);
		*slash = '/';
	}
	mkdir(copy, 0700);
}

static inline __attribute__((format(printf, 3, 4))) void
fake_file(const struct fake_sysfs *fake, const char *text, const char *format, ...)
{
	char name[PATH_MAX / 2];
	char path[PATH_MAX];
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	*strrchr(path, '/') = '\0';
	fake_make_dirs(path);
	path[strlen(path)] = '/';
	file = fopen(path, "a");
	fputs(text, file);
	fclose(file);
}

/* dir: below /sys, "devices/vda" or "devices/vda/vda1" */
static inline void fake_device(const struct fake_sysfs *fake, const char *dir,
			       unsigned int minor_nr, unsigned long long sectors)
{
	char text[64];
	char target[PATH_MAX];
	char link[PATH_MAX];

	snprintf(text, sizeof(text), "%llu\n", sectors);
	fake_file(fake, text, "%s/size", dir);
	snprintf(text, sizeof(text), "250:%u\n", minor_nr);
	fake_file(fake, text, "%s/dev", dir);
	snprintf(link, sizeof(link), "%s/dev/block", fake->root);
	fake_make_dirs(link);
	snprintf(link, sizeof(link), "%s/dev/block/250:%u", fake->root, minor_nr);
	snprintf(target, sizeof(target), "../../%s", dir);
	if (symlink(target, link) < 0)
		abort();
	snprintf(link, sizeof(link), "%s/class/block", fake->root);
	fake_make_dirs(link);
	snprintf(link, sizeof(link), "%s/class/block/%s", fake->root, strrchr(dir, '/') + 1);
	if (symlink(target, link) < 0)
		abort();
}

static inline void fake_partition(const struct fake_sysfs *fake, const char *dir,
				  unsigned int minor_nr, unsigned long long start,
				  unsigned long long sectors)
{
	char text[64];

	fake_device(fake, dir, minor_nr, sectors);
	snprintf(text, sizeof(text), "%llu\n", start);
	fake_file(fake, text, "%s/start", dir);
	fake_file(fake, "1\n", "%s/partition", dir);
}

/* dir lies on slave; both below /sys */
static inline void fake_slave(const struct fake_sysfs *fake, const char *dir, const char *slave)
{
	char path[PATH_MAX / 2];
	char link[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/slaves", fake->root, dir);
	fake_make_dirs(path);
	snprintf(link, sizeof(link), "%s/%s", path, strrchr(slave, '/') + 1);
	snprintf(path, sizeof(path), "%s/%s", fake->root, slave);
	if (symlink(path, link) < 0)
		abort();
}

static inline void fake_mount(const struct fake_sysfs *fake, const char *device,
			      const char *mount_point, const char *type, const char *source)
{
	char line[PATH_MAX];

	snprintf(line, sizeof(line), "20 1 %s / %s rw,relatime shared:1 - %s %s rw\n", device,
		 mount_point, type, source);
	fake_file(fake, line, "mountinfo");
}

static inline void fake_begin(struct fake_sysfs *fake)
{
	*fake = (struct fake_sysfs){.root = "/tmp/tidemark-unit-XXXXXX"};
	if (!mkdtemp(fake->root))
		abort();
	snprintf(fake->mountinfo, sizeof(fake->mountinfo), "%s/mountinfo", fake->root);
	fake_file(fake, "", "mountinfo");
	fake_file(fake, "", "dev/block/.keep");
}

/* After everything has been made. */
static inline const struct block_tree *fake_open(struct fake_sysfs *fake)
{
	if (block_tree_open(fake->root, fake->mountinfo, &fake->tree) < 0)
		abort();
	return &fake->tree;
}

static inline void fake_end(struct fake_sysfs *fake)
{
	char command[128];

	block_tree_close(&fake->tree);
	snprintf(command, sizeof(command), "rm -rf %s", fake->root);
	if (system(command) != 0)
		abort();
}

#endif

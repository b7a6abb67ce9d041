// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One walk answers every question: from a device downwards to what it lies on.
 * Going down needs no list of holders, which the kernel keeps for fewer kinds
 * of device than it keeps slaves.
 */
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Deeper stacks do not exist; a loop file on its own loop device might. */
#define LEVELS_MAX     16
#define FS_DEVICES_MAX 64

int block_tree_open(const char *sysfs, const char *mountinfo, struct block_tree *ret_tree)
{
	int r;

	*ret_tree = (struct block_tree){.sysfs = strdup(sysfs)};
	if (!ret_tree->sysfs)
		return -ENOMEM;
	r = mount_table_read(mountinfo, &ret_tree->mounts);
	if (r < 0)
		block_tree_close(ret_tree);
	return r;
}

int block_tree_open_system(struct block_tree *ret_tree)
{
	int r = block_tree_open("/sys", "/proc/self/mountinfo", ret_tree);

	return r < 0 ? failure_set(r, "/sys and /proc: %s", strerror(-r)) : 0;
}

void block_tree_close(struct block_tree *tree)
{
	mount_table_clear(&tree->mounts);
	free(tree->sysfs);
	tree->sysfs = NULL;
}

int block_tree_dir(const struct block_tree *tree, dev_t device, char *ret_path, size_t size)
{
	CLEANUP_FREE char *link = NULL;
	CLEANUP_FREE char *real = NULL;

	if (asprintf(&link, "%s/dev/block/%u:%u", tree->sysfs, major(device), minor(device)) < 0) {
		link = NULL;
		return -ENOMEM;
	}
	real = realpath(link, NULL);
	if (!real)
		return -ENODEV;
	if (strlen(real) >= size)
		return -ENAMETOOLONG;
	strcpy(ret_path, real);
	return 0;
}

int block_tree_name(const struct block_tree *tree, dev_t device, char ret_name[BLOCK_NAME_BYTES])
{
	char dir[PATH_MAX];
	const char *name;
	int r = block_tree_dir(tree, device, dir, sizeof(dir));

	if (r < 0)
		return r;
	name = strrchr(dir, '/') + 1;
	if (strlen(name) >= BLOCK_NAME_BYTES)
		return -ENAMETOOLONG;
	strcpy(ret_name, name);
	/* sysfs writes the slash of names such as cciss/c0d0 so. */
	for (char *c = ret_name; *c; c++)
		if (*c == '!')
			*c = '/';
	return 0;
}

static int read_devno(dev_t *ret_device, const char *dir, const char *file)
{
	unsigned int major_nr, minor_nr;
	char line[32];
	int r = text_file_line(line, sizeof(line), "%s/%s", dir, file);

	if (r < 0)
		return r;
	if (sscanf(line, "%u:%u", &major_nr, &minor_nr) != 2)
		return -EINVAL;
	*ret_device = makedev(major_nr, minor_nr);
	return 0;
}

int block_tree_range(const struct block_tree *tree, dev_t device, struct block_range *ret_range)
{
	char dir[PATH_MAX];
	uint64_t number;
	int r = block_tree_dir(tree, device, dir, sizeof(dir));

	if (r < 0)
		return r;
	*ret_range = (struct block_range){.disk = device};
	if (text_file_number(&ret_range->nr_sectors, "%s/size", dir) < 0)
		return -ENODEV;
	if (text_file_number(&number, "%s/partition", dir) < 0)
		return 0;
	if (text_file_number(&ret_range->start_sector, "%s/start", dir) < 0 ||
	    read_devno(&ret_range->disk, dir, "../dev") < 0)
		return -ENODEV;
	return 0;
}

bool block_range_overlap(const struct block_range *a, const struct block_range *b)
{
	return a->disk == b->disk && a->start_sector < b->start_sector + b->nr_sectors &&
	       b->start_sector < a->start_sector + a->nr_sectors;
}

static int height_at(const struct block_tree *tree, dev_t device, const struct block_range *range,
		     int level);
static int mount_height_at(const struct block_tree *tree, const struct mount *mount,
			   const struct block_range *range, int level);

static int slaves_height(const struct block_tree *tree, const char *dir,
			 const struct block_range *range, int level)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSEDIR DIR *slaves = NULL;
	struct dirent *entry;
	int highest = -1;

	if (asprintf(&path, "%s/slaves", dir) < 0) {
		path = NULL;
		return -1;
	}
	slaves = opendir(path);
	while (slaves && (entry = readdir(slaves))) {
		CLEANUP_FREE char *file = NULL;
		dev_t slave;
		int height;

		if (entry->d_name[0] == '.' || asprintf(&file, "%s/dev", entry->d_name) < 0)
			continue;
		if (read_devno(&slave, path, file) < 0)
			continue;
		height = height_at(tree, slave, range, level);
		if (height > highest)
			highest = height;
	}
	return highest;
}

static int loop_height(const struct block_tree *tree, const char *dir,
		       const struct block_range *range, int level)
{
	const struct mount *mount;
	char file[PATH_MAX];

	if (text_file_line(file, sizeof(file), "%s/loop/backing_file", dir) < 0 || file[0] != '/')
		return -1;
	mount = mount_table_find(&tree->mounts, file);
	return mount ? mount_height_at(tree, mount, range, level) : -1;
}

static int height_at(const struct block_tree *tree, dev_t device, const struct block_range *range,
		     int level)
{
	struct block_range own;
	char dir[PATH_MAX];
	int highest = -1;

	if (level > LEVELS_MAX || block_tree_range(tree, device, &own) < 0)
		return -1;
	if (block_range_overlap(&own, range))
		highest = level;
	/* A partition lies on what its disk lies on. */
	if (block_tree_dir(tree, own.disk, dir, sizeof(dir)) == 0) {
		int slaves = slaves_height(tree, dir, range, level + 1);
		int loop = loop_height(tree, dir, range, level + 1);

		highest = slaves > highest ? slaves : highest;
		highest = loop > highest ? loop : highest;
	}
	return highest;
}

static int source_device(const struct block_tree *tree, const char *source, dev_t *ret_device)
{
	struct stat st;

	if (strncmp(source, "/dev/", 5) != 0)
		return -ENODEV;
	if (stat(source, &st) == 0 && S_ISBLK(st.st_mode)) {
		*ret_device = st.st_rdev;
		return 0;
	}
	CLEANUP_FREE char *dir = NULL;
	if (asprintf(&dir, "%s/class/block/%s", tree->sysfs, source + 5) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	return read_devno(ret_device, dir, "dev");
}

/* Of several devices btrfs names one as the mount's source; sysfs knows all. */
static size_t btrfs_devices(const struct block_tree *tree, dev_t member, dev_t *ret_devices)
{
	char name[BLOCK_NAME_BYTES];
	CLEANUP_FREE char *top = NULL;
	CLEANUP_CLOSEDIR DIR *all = NULL;
	struct dirent *fs;
	size_t nr = 0;

	if (block_tree_name(tree, member, name) < 0 ||
	    asprintf(&top, "%s/fs/btrfs", tree->sysfs) < 0) {
		top = NULL;
		return 0;
	}
	all = opendir(top);
	while (all && nr == 0 && (fs = readdir(all))) {
		char path[PATH_MAX];
		CLEANUP_CLOSEDIR DIR *devices = NULL;
		struct dirent *device;
		bool found = false;

		snprintf(path, sizeof(path), "%s/%s/devices", top, fs->d_name);
		devices = fs->d_name[0] == '.' ? NULL : opendir(path);
		while (devices && nr < FS_DEVICES_MAX && (device = readdir(devices))) {
			CLEANUP_FREE char *file = NULL;

			if (device->d_name[0] == '.' ||
			    asprintf(&file, "%s/dev", device->d_name) < 0)
				continue;
			if (read_devno(&ret_devices[nr], path, file) == 0)
				found |= ret_devices[nr++] == member;
		}
		if (!found)
			nr = 0;
	}
	return nr;
}

static size_t mount_devices(const struct block_tree *tree, const struct mount *mount,
			    dev_t ret_devices[FS_DEVICES_MAX])
{
	size_t nr = 0;

	if (major(mount->device) != 0)
		ret_devices[nr++] = mount->device;
	else if (source_device(tree, mount->source, &ret_devices[0]) == 0)
		nr = 1;
	if (nr && strcmp(mount->fs_type, "btrfs") == 0) {
		dev_t members[FS_DEVICES_MAX];
		size_t nr_members = btrfs_devices(tree, ret_devices[0], members);

		if (nr_members)
			memcpy(ret_devices, members, nr_members * sizeof(members[0]));
		nr = nr_members ? nr_members : nr;
	}
	return nr;
}

static int mount_height_at(const struct block_tree *tree, const struct mount *mount,
			   const struct block_range *range, int level)
{
	dev_t devices[FS_DEVICES_MAX];
	size_t nr = mount_devices(tree, mount, devices);
	int highest = -1;

	for (size_t i = 0; i < nr; i++) {
		int height = height_at(tree, devices[i], range, level);

		if (height > highest)
			highest = height;
	}
	return highest;
}

int block_tree_height(const struct block_tree *tree, dev_t device, const struct block_range *range)
{
	return height_at(tree, device, range, 0);
}

int block_tree_mount_height(const struct block_tree *tree, const struct mount *mount,
			    const struct block_range *range)
{
	return mount_height_at(tree, mount, range, 0);
}

int block_tree_path_height(const struct block_tree *tree, const char *path,
			   const struct block_range *range, int *ret_height)
{
	CLEANUP_FREE char *real = realpath(path, NULL);
	const struct mount *mount;

	if (!real)
		return -errno;
	mount = mount_table_find(&tree->mounts, real);
	*ret_height = mount ? mount_height_at(tree, mount, range, 0) : -1;
	return 0;
}

int block_tree_list(const struct block_tree *tree, dev_t **ret_devices, size_t *ret_nr)
{
	CLEANUP_FREE dev_t *devices = NULL;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *entry;
	size_t nr = 0;

	if (asprintf(&path, "%s/dev/block", tree->sysfs) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		unsigned int major_nr, minor_nr;
		dev_t *grown;

		if (sscanf(entry->d_name, "%u:%u", &major_nr, &minor_nr) != 2)
			continue;
		grown = reallocarray(devices, nr + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		devices = grown;
		devices[nr++] = makedev(major_nr, minor_nr);
	}
	*ret_devices = devices;
	*ret_nr = nr;
	devices = NULL;
	return 0;
}

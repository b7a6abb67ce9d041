// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The kernel refuses some of this by itself when the device is opened
 * exclusively; here each case has its name, and those that it would allow
 * (a disk whose partition is an attachment, a file under a loop device) too.
 */
#include "restore/target_check.h"
#include "agent/device.h"
#include "agent/repository_guard.h"
#include "agent/volume.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/size_text.h"
#include "common/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR_BYTES 512

static int refuse(const char *path, const char *why)
{
	return failure_set(-ETXTBSY, "%s: %s", path, why);
}

static int check_mounts(const struct target_check *check, const struct block_range *range)
{
	const struct mount_table *mounts = &check->tree->mounts;

	for (size_t i = 0; i < mounts->nr; i++)
		if (block_tree_mount_height(check->tree, &mounts->mounts[i], range) >= 0)
			return failure_set(-ETXTBSY, "%s: is mounted at %s; unmount it first",
					   check->path, mounts->mounts[i].mount_point);
	return 0;
}

/*
 * Calls test for each swap area; its true ends the walk and is returned. The
 * first column is a path, the first line a heading.
 */
static bool any_swap(const struct target_check *check,
		     bool (*test)(const struct target_check *, const struct stat *, const void *),
		     const void *context)
{
	CLEANUP_FCLOSE FILE *file = fopen(check->swaps, "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		struct stat st;

		line[strcspn(line, " \t\n")] = '\0';
		if (line[0] == '/' && stat(line, &st) == 0 && test(check, &st, context))
			return true;
	}
	return false;
}

static bool swap_is_on_range(const struct target_check *check, const struct stat *swap,
			     const void *range)
{
	return S_ISBLK(swap->st_mode) &&
	       block_tree_height(check->tree, swap->st_rdev, range) >= 0;
}

static bool is_same_file(const struct target_check *check, const struct stat *other,
			 const void *file)
{
	const struct stat *st = file;

	return st->st_dev == other->st_dev && st->st_ino == other->st_ino;
}

/* Writes to the live device are tracked like anybody's, as long as nobody makes an image of it. */
static int check_own_attachment(const struct target_check *check,
				const struct attachment *attachment)
{
	if (!check->delta)
		return failure_set(-ETXTBSY, "%s: is protected by the attachment %s; run \"tidemark "
				   "detach %s\" first, or write only what differs, with --delta",
				   check->path, attachment->name, attachment->name);
	if (attachment->agent)
		return failure_set(-EBUSY, "%s: the attachment %s is in use, by a backup that is "
				   "running or by tidemarkd; stop that first", check->path,
				   attachment->name);
	return 0;
}

static int check_attachments(const struct target_check *check, dev_t device,
			     const struct block_range *range)
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr;
	int r = device_list(&attachments, &nr);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		struct block_range protected;

		if (attachments[i].mapped == device)
			return failure_set(-ETXTBSY, "%s: is the attachment of a device; name the "
					   "device", check->path);
		if (attachments[i].live == device) {
			r = check_own_attachment(check, &attachments[i]);
			continue;
		}
		if (block_tree_range(check->tree, attachments[i].live, &protected) < 0)
			continue;
		protected.start_sector += attachments[i].start_sector;
		protected.nr_sectors = attachments[i].nr_sectors;
		if (block_range_overlap(&protected, range))
			return failure_set(-ETXTBSY, "%s: is protected by the attachment %s; run "
					   "\"tidemark detach %s\" first", check->path,
					   attachments[i].name, attachments[i].name);
	}
	return r;
}

static int check_holders(const struct target_check *check, const struct block_range *range)
{
	CLEANUP_FREE dev_t *devices = NULL;
	char name[BLOCK_NAME_BYTES];
	size_t nr = 0;
	int r = block_tree_list(check->tree, &devices, &nr);

	if (r < 0)
		return failure_set(r, "%s/dev/block: %s", check->tree->sysfs, strerror(-r));
	for (size_t i = 0; i < nr; i++)
		if (block_tree_height(check->tree, devices[i], range) > 0 &&
		    block_tree_name(check->tree, devices[i], name) == 0)
			return failure_set(-ETXTBSY, "%s: /dev/%s lies on it; take that down first",
					   check->path, name);
	return 0;
}

static int check_size(const struct target_check *check, const struct block_range *range)
{
	uint64_t bytes = range->nr_sectors * SECTOR_BYTES;
	uint64_t needed = check->needed_bytes;
	char is_text[SIZE_TEXT_BYTES];
	char needs_text[SIZE_TEXT_BYTES];

	if (bytes >= needed)
		return 0;
	return failure_set(-ETXTBSY,
			   "%s: has %s (%llu bytes), the point needs %s (%llu bytes); use a "
			   "larger device",
			   check->path, size_text_format(bytes, is_text), (unsigned long long)bytes,
			   size_text_format(needed, needs_text), (unsigned long long)needed);
}

static bool is_same_volume(const struct target_check *check, const struct volume_extent *extent,
			   const struct volume_facts *facts)
{
	const struct tmc_volume *volume = &check->point->volume;
	char id[TMC_TEXT_BYTES];

	volume_id_text(facts, extent, true, id);
	return strcmp(id, volume->volume_id) == 0 ||
	       (facts->fs_uuid[0] && strcmp(facts->fs_uuid, volume->fs_uuid) == 0);
}

static int check_content(const struct target_check *check, dev_t device)
{
	struct volume_extent extent = {.device = device};
	CLEANUP_CLOSE int fd = -1;
	struct volume_facts facts;
	struct block_range range;
	int r;

	if (check->force == TARGET_FORCE)
		return 0;
	fd = open(check->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failure_set(-errno, "%s: %s", check->path, strerror(errno));
	r = block_tree_range(check->tree, device, &range);
	extent.nr_sectors = range.nr_sectors;
	if (r == 0)
		r = volume_facts_read(check->tree, &extent, fd, &facts);
	if (r < 0)
		return r;
	if (!volume_facts_has_content(&facts) || is_same_volume(check, &extent, &facts))
		return 0;
	return failure_set(-ETXTBSY,
			   "%s: holds %s%s%s, not the volume %s of this point; use --force "
			   "to overwrite it",
			   check->path, facts.fs_type[0] ? facts.fs_type : "a partition table",
			   facts.fs_uuid[0] ? " " : "", facts.fs_uuid, check->point->volume.name);
}

static int check_device(const struct target_check *check, dev_t device)
{
	struct block_range range;
	int r = block_tree_range(check->tree, device, &range);

	if (r < 0)
		return failure_set(-ENOENT, "%s: no such block device", check->path);
	r = check_mounts(check, &range);
	if (r == 0 && any_swap(check, swap_is_on_range, &range))
		r = refuse(check->path, "is used as swap; run swapoff first");
	if (r == 0)
		r = check_attachments(check, device, &range);
	if (r == 0)
		r = check_holders(check, &range);
	if (r == 0)
		r = repository_guard_check(check->tree, check->repository, &range, check->path);
	if (r == 0)
		r = check_size(check, &range);
	if (r == 0)
		r = check_content(check, device);
	return r;
}

static bool is_loop_file(const struct target_check *check, const struct stat *file)
{
	CLEANUP_FREE dev_t *devices = NULL;
	size_t nr = 0;

	if (block_tree_list(check->tree, &devices, &nr) < 0)
		return false;
	for (size_t i = 0; i < nr; i++) {
		char dir[PATH_MAX - 32];
		char backing[PATH_MAX];
		struct stat st;

		if (block_tree_dir(check->tree, devices[i], dir, sizeof(dir)) == 0 &&
		    text_file_line(backing, sizeof(backing), "%s/loop/backing_file", dir) == 0 &&
		    stat(backing, &st) == 0 && is_same_file(check, &st, file))
			return true;
	}
	return false;
}

/* Objects of a repository are never written by anyone but the catalog. */
static int check_outside_repository(const struct target_check *check, const char *existing)
{
	CLEANUP_FREE char *repository = realpath(check->repository, NULL);
	CLEANUP_FREE char *place = realpath(existing, NULL);
	size_t len;

	if (!repository || !place)
		return failure_set(-errno, "%s: %s", place ? check->repository : existing,
				   strerror(errno));
	len = strlen(repository);
	if (strncmp(place, repository, len) == 0 && (place[len] == '/' || place[len] == '\0'))
		return refuse(check->path, "lies inside the repository; choose another place");
	return 0;
}

static int check_file_use(const struct target_check *check, const struct stat *st)
{
	if (is_loop_file(check, st))
		return refuse(check->path, "is used by a loop device; detach that first");
	if (any_swap(check, is_same_file, st))
		return refuse(check->path, "is used as swap; run swapoff first");
	return 0;
}

static int check_file_content(const struct target_check *check, const struct stat *st)
{
	CLEANUP_CLOSE int fd = open(check->path, O_RDONLY | O_CLOEXEC);
	struct tmc_volume found = {0};

	if (fd < 0)
		return failure_set(-errno, "%s: %s", check->path, strerror(errno));
	volume_describe_file(fd, (uint64_t)st->st_size, &found);
	if (found.fs_uuid[0] && strcmp(found.fs_uuid, check->point->volume.fs_uuid) == 0)
		return 0;
	return failure_set(-ETXTBSY, "%s: does not hold the file system of the volume %s; use "
			   "--force to write into it all the same", check->path, check->point->volume.name);
}

static int check_existing_file(const struct target_check *check, const struct stat *st)
{
	int r = check_outside_repository(check, check->path);

	if (r == 0)
		r = check_file_use(check, st);
	if (r < 0 || !st->st_size || check->force == TARGET_FORCE)
		return r;
	if (check->how == TARGET_REPLACE)
		return refuse(check->path, "exists and is not empty; use --force to replace it");
	return check_file_content(check, st);
}

/* Where an interrupted restore has left one. */
static int check_partial(const struct target_check *check)
{
	CLEANUP_FREE char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s.partial", check->path) < 0) {
		path = NULL;
		return failure_set(-ENOMEM, "%s: out of memory", check->path);
	}
	return stat(path, &st) < 0 ? 0 : check_file_use(check, &st);
}

static int check_new_file(const struct target_check *check)
{
	CLEANUP_FREE char *copy = strdup(check->path);
	char *dir = copy ? dirname(copy) : NULL;
	CLEANUP_FREE char *real = dir ? realpath(dir, NULL) : NULL;

	if (!real)
		return failure_set(-errno, "%s: no such directory", dir ? dir : check->path);
	/* A mistyped device must not become a file that fills memory. */
	if (strcmp(real, "/dev") == 0 || strncmp(real, "/dev/", 5) == 0)
		return failure_set(-ENOENT, "%s: no such block device", check->path);
	if (check->how == TARGET_RESUME) {
		int r = check_partial(check);

		if (r < 0)
			return r;
	}
	return check_outside_repository(check, real);
}

int target_check(const struct target_check *check, enum target_kind *ret_kind)
{
	struct stat st;

	if (stat(check->path, &st) < 0) {
		if (errno != ENOENT)
			return failure_set(-errno, "%s: %s", check->path, strerror(errno));
		*ret_kind = TARGET_NEW_FILE;
		return check_new_file(check);
	}
	if (S_ISBLK(st.st_mode)) {
		*ret_kind = TARGET_DEVICE;
		return check_device(check, st.st_rdev);
	}
	if (!S_ISREG(st.st_mode))
		return failure_set(-EINVAL, "%s: neither a block device nor a file", check->path);
	*ret_kind = TARGET_FILE;
	return check_existing_file(check, &st);
}

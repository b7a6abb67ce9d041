// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A base is only believed when this repository has a point of that id, of the same
 * volume, size and chunk size. Without one everything is read ("rescan"); the latest
 * point of the volume then tells the catalog what has not changed.
 */
#include "agent/volume_backup.h"
#include "agent/device.h"
#include "agent/repository_guard.h"
#include "agent/volume.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/size_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

static __attribute__((format(printf, 2, 3))) void
notice(struct volume_backup *v, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!v->request->notice)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	v->request->notice(text);
}

static int catalog_failure(int error)
{
	return failure_set(error, "%s", tmc_error_text());
}

static int locate(struct volume_backup *v, const struct block_tree *tree)
{
	char name[BLOCK_NAME_BYTES];
	int r = block_tree_range(tree, v->attachment.live, &v->range);

	if (r == 0)
		r = block_tree_name(tree, v->attachment.live, name);
	if (r < 0)
		return failure_set(-ENXIO, "%s: its device is gone; detach it", v->attachment.name);
	snprintf(v->node, sizeof(v->node), "/dev/%s", name);
	v->range.start_sector += v->attachment.start_sector;
	v->range.nr_sectors = v->attachment.nr_sectors;
	return 0;
}

/*
 * Buffered reads would go through the node's page cache, which a mounted file
 * system keeps metadata in that it has not written yet.
 */
static int open_live(struct volume_backup *v)
{
	struct stat st;

	v->live_fd = open(v->node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (v->live_fd < 0)
		return failure_set(-errno, "%s: cannot be opened for direct reads: %s",
				   v->node, strerror(errno));
	if (fstat(v->live_fd, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    st.st_rdev != v->attachment.live)
		return failure_set(-ENODEV, "%s: is not the device that %s is attached to",
				   v->node, v->attachment.name);
	return 0;
}

/* A name that nobody chose says less than the node does. */
static const char *name_for_people(const struct volume_backup *v)
{
	return strncmp(v->attachment.name, "tidemark-", 9) == 0 ? v->node :
								       v->attachment.name;
}

static int describe(struct volume_backup *v, const struct block_tree *tree)
{
	struct volume_extent extent = {
		.device = v->attachment.live,
		.start_sector = v->attachment.start_sector,
		.nr_sectors = v->attachment.nr_sectors,
	};
	/* libblkid's reads are small and unaligned. */
	CLEANUP_CLOSE int fd = open(v->node, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failure_set(-errno, "%s: %s", v->node, strerror(errno));
	return volume_describe(tree, &extent, fd, name_for_people(v), &v->volume);
}

static int check_chunk_size(const struct volume_backup *v)
{
	char attached[SIZE_TEXT_BYTES];
	char wanted[SIZE_TEXT_BYTES];
	struct tmc_repo_info repo;

	tmc_repo_get_info(v->repo, &repo);
	if (v->info->chunk_bytes == repo.chunk_bytes)
		return 0;
	size_text_exact(v->info->chunk_bytes, attached);
	size_text_exact(repo.chunk_bytes, wanted);
	return failure_set(-EINVAL,
			   "%s: is attached with chunks of %s, the repository %s has chunks "
			   "of %s; detach it and attach it with --chunk-size %s",
			   v->attachment.name, attached, v->request->repository, wanted,
			   wanted);
}

int volume_backup_open(struct volume_backup *v, const char *volume, const struct block_tree *tree)
{
	int r = device_find(volume, &v->attachment);

	if (r == 0)
		r = locate(v, tree);
	if (r == 0)
		r = repository_guard_check(tree, v->request->repository, &v->range, v->node);
	if (r == 0)
		r = channel_open(&v->attachment, &v->channel);
	if (r < 0)
		return r;
	v->info = channel_info(v->channel);
	r = channel_check_device(v->channel);
	if (r == 0)
		r = check_chunk_size(v);
	if (r == 0)
		r = open_live(v);
	if (r == 0)
		r = describe(v, tree);
	if (r == 0 && strcmp(v->attachment.device_state, "grown") == 0)
		notice(v, "%s: the device has grown; what lies beyond %" PRIu64 " bytes is not in "
		       "the backup until it is detached and attached again",
		       v->attachment.name, v->info->volume_bytes);
	return r;
}

void volume_backup_close(struct volume_backup *v)
{
	tmc_backup_abort(v->draft);
	v->draft = NULL;
	channel_close(v->channel);
	v->channel = NULL;
	if (v->live_fd >= 0)
		close(v->live_fd);
	v->live_fd = -1;
}

static bool same_geometry(const struct volume_backup *v, const struct tmc_point *point)
{
	return point->volume.volume_bytes == v->info->volume_bytes &&
	       point->chunk_bytes == v->info->chunk_bytes;
}

static bool base_is_usable(struct volume_backup *v)
{
	struct tmc_id id;
	int r;

	if (!v->info->has_base)
		return false;
	memcpy(id.bytes, v->info->base, sizeof(id.bytes));
	r = tmc_point_get(v->repo, &id, &v->parent);
	if (r < 0) {
		notice(v, "%s: the last backup went to another repository, or its point is "
		       "gone; reading everything", v->attachment.name);
		return false;
	}
	if (strcmp(v->parent.volume.volume_id, v->volume.volume_id) != 0 ||
	    !same_geometry(v, &v->parent)) {
		notice(v, "%s: holds another volume than at the last backup; reading "
		       "everything", v->attachment.name);
		return false;
	}
	if (v->parent.unreadable_chunks) {
		notice(v, "%s: the last backup could not read all of it; reading everything",
		       v->attachment.name);
		return false;
	}
	return true;
}

void volume_backup_choose_parent(struct volume_backup *v)
{
	int r;

	v->kind = CHANNEL_CUT_FULL;
	v->has_parent = false;
	if (v->request->full)
		return;
	if (base_is_usable(v)) {
		v->kind = CHANNEL_CUT_CHANGED;
		v->has_parent = true;
		return;
	}
	r = tmc_point_find(v->repo, "latest", v->volume.volume_id, &v->parent);
	v->has_parent = r == 0 && same_geometry(v, &v->parent);
}

int volume_backup_begin(struct volume_backup *v, const char *group)
{
	int r = tmc_backup_begin(v->repo, &v->volume,
				 v->has_parent ? &v->parent : NULL, 0, &v->draft);

	if ((r == -EBADMSG || r == -ENOENT) && v->has_parent) {
		notice(v, "%s: the point to build on is damaged (%s); reading everything, run "
		       "\"tidemark verify\"", v->attachment.name, tmc_error_text());
		v->has_parent = false;
		v->kind = CHANNEL_CUT_FULL;
		r = tmc_backup_begin(v->repo, &v->volume, NULL, 0, &v->draft);
	}
	if (r < 0)
		return catalog_failure(r);
	if (group)
		tmc_backup_set_group(v->draft, group);
	return 0;
}

void volume_backup_note_unsettled(struct volume_backup *v)
{
	if (!channel_has_settled(v->channel))
		notice(v, "%s: was attached just now, and no file system of its own was frozen: "
		       "the next backup reads again what this one reads", v->attachment.name);
}

/* Why it is given up is what counts, not what giving up says. */
void volume_backup_give_up(struct volume_backup *v)
{
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	tmc_backup_abort(v->draft);
	v->draft = NULL;
	failure_set(-ECANCELED, "%s", reason);
}

int volume_backup_commit(struct volume_backup *v)
{
	struct tmc_backup *draft = v->draft;
	int r;

	v->draft = NULL; /* commit takes it in every case */
	r = tmc_backup_commit(draft, v->cut.time_ns, v->result->read_bytes, &v->result->point);
	if (r == -EINVAL)
		return failure_set(-EPROTO, "%s: %s; this is a bug, please report it",
				   v->attachment.name, tmc_error_text());
	if (r == -ESTALE) /* of a network file system, not of a cut */
		r = -EIO;
	if (r < 0)
		return catalog_failure(r);
	v->result->made = true;
	return 0;
}

void volume_backup_acknowledge(struct volume_backup *v)
{
	int r = channel_commit(v->channel, v->cut.epoch, v->result->point.id.bytes);

	v->result->acknowledged = r == 0;
	if (r < 0)
		notice(v, "%s; the restore point is complete, the next backup reads again what this "
		       "one read", failure_text());
}

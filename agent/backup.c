// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The order that a crash at any moment must find harmless:
 *
 *   1. The cut moves the dirty set into the frozen set. Dying before 3 puts it
 *      back: the next backup reads the same chunks and more.
 *   2. The catalog's commit makes the point durable. Dying between 2 and 3 leaves
 *      a valid point that the module does not know: the next backup is relative
 *      to the one before, and stores nothing twice.
 *   3. The module's commit names the point as its base and forgets the frozen set.
 *      It must never come before 2: a base that does not exist loses changes.
 *
 * A base is only believed when this repository has a point of that id, of the
 * same volume, size and chunk size. Without one everything is read ("rescan");
 * the latest point of the volume then tells the catalog what has not changed.
 */
#include "agent/backup.h"
#include "agent/capture.h"
#include "agent/channel.h"
#include "agent/device.h"
#include "agent/freeze_set.h"
#include "agent/interrupt.h"
#include "agent/repository_guard.h"
#include "agent/resident.h"
#include "agent/volume.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/progress.h"
#include "common/size_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define ATTEMPTS_MAX 3

struct backup {
	const struct backup_request *request;
	struct attachment attachment;
	struct tmc_repo *repo;
	struct channel *channel;
	const struct channel_info *info;
	struct interrupt interrupt;
	int live_fd;
	char node[BLOCK_NAME_BYTES + 8];
	struct block_range range; /* of the protected sectors, on their disk */
	struct tmc_volume volume;
	bool has_parent;
	struct tmc_point parent;
	enum channel_cut_kind kind;
	struct progress progress;
};

static __attribute__((format(printf, 2, 3))) void
notice(struct backup *backup, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!backup->request->notice)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	progress_stop(&backup->progress);
	backup->request->notice(text);
}

static int catalog_failure(int error)
{
	return failure_set(error, "%s", tmc_error_text());
}

/* Takes tmc. Why it is given up is what counts, not what giving up says. */
static int give_up(struct tmc_backup *tmc, int error)
{
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	tmc_backup_abort(tmc);
	return failure_set(error, "%s", reason);
}

static int open_tree(struct block_tree *ret_tree)
{
	int r = block_tree_open("/sys", "/proc/self/mountinfo", ret_tree);

	return r < 0 ? failure_set(r, "/sys and /proc: %s", strerror(-r)) : 0;
}

static int open_repository(struct backup *backup)
{
	int r = tmc_repo_open(backup->request->repository, &backup->repo);

	return r < 0 ? catalog_failure(r) : 0;
}

static int locate(struct backup *backup, const struct block_tree *tree)
{
	char name[BLOCK_NAME_BYTES];
	int r = block_tree_range(tree, backup->attachment.live, &backup->range);

	if (r == 0)
		r = block_tree_name(tree, backup->attachment.live, name);
	if (r < 0)
		return failure_set(r, "%s: its device is gone; detach it", backup->attachment.name);
	snprintf(backup->node, sizeof(backup->node), "/dev/%s", name);
	backup->range.start_sector += backup->attachment.start_sector;
	backup->range.nr_sectors = backup->attachment.nr_sectors;
	return 0;
}

/*
 * Buffered reads would go through the node's page cache, which a mounted file
 * system keeps metadata in that it has not written yet.
 */
static int open_live(struct backup *backup)
{
	struct stat st;

	backup->live_fd = open(backup->node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (backup->live_fd < 0)
		return failure_set(-errno, "%s: cannot be opened for direct reads: %s",
				   backup->node, strerror(errno));
	if (fstat(backup->live_fd, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    st.st_rdev != backup->attachment.live)
		return failure_set(-ENODEV, "%s: is not the device that %s is attached to",
				   backup->node, backup->attachment.name);
	return 0;
}

/* A name that nobody chose says less than the node does. */
static const char *name_for_people(const struct backup *backup)
{
	return strncmp(backup->attachment.name, "tidemark-", 9) == 0 ? backup->node :
								       backup->attachment.name;
}

static int describe(struct backup *backup, const struct block_tree *tree)
{
	struct volume_extent extent = {
		.device = backup->attachment.live,
		.start_sector = backup->attachment.start_sector,
		.nr_sectors = backup->attachment.nr_sectors,
	};
	/* libblkid's reads are small and unaligned. */
	CLEANUP_CLOSE int fd = open(backup->node, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failure_set(-errno, "%s: %s", backup->node, strerror(errno));
	return volume_describe(tree, &extent, fd, name_for_people(backup), &backup->volume);
}

static int check_chunk_size(const struct backup *backup)
{
	char attached[SIZE_TEXT_BYTES];
	char wanted[SIZE_TEXT_BYTES];
	struct tmc_repo_info repo;

	tmc_repo_get_info(backup->repo, &repo);
	if (backup->info->chunk_bytes == repo.chunk_bytes)
		return 0;
	size_text_exact(backup->info->chunk_bytes, attached);
	size_text_exact(repo.chunk_bytes, wanted);
	return failure_set(-EINVAL,
			   "%s: is attached with chunks of %s, the repository %s has chunks "
			   "of %s; detach it and attach it with --chunk-size %s",
			   backup->attachment.name, attached, backup->request->repository, wanted,
			   wanted);
}

static int prepare(struct backup *backup)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	int r = device_find(backup->request->volume, &backup->attachment);

	if (r == 0)
		r = open_repository(backup);
	if (r == 0)
		r = open_tree(&tree);
	if (r == 0)
		r = locate(backup, &tree);
	if (r == 0)
		r = repository_guard_check(&tree, backup->request->repository, &backup->range,
					   backup->node);
	if (r == 0)
		r = channel_open(&backup->attachment, &backup->channel);
	if (r < 0)
		return r;
	backup->info = channel_info(backup->channel);
	r = check_chunk_size(backup);
	if (r == 0)
		r = open_live(backup);
	if (r == 0)
		r = describe(backup, &tree);
	return r;
}

static bool same_geometry(const struct backup *backup, const struct tmc_point *point)
{
	return point->volume.volume_bytes == backup->info->volume_bytes &&
	       point->chunk_bytes == backup->info->chunk_bytes;
}

static bool base_is_usable(struct backup *backup)
{
	struct tmc_id id;
	int r;

	if (!backup->info->has_base)
		return false;
	memcpy(id.bytes, backup->info->base, sizeof(id.bytes));
	r = tmc_point_get(backup->repo, &id, &backup->parent);
	if (r < 0) {
		notice(backup, "%s: the last backup went to another repository, or its point is "
		       "gone; reading everything", backup->attachment.name);
		return false;
	}
	if (strcmp(backup->parent.volume.volume_id, backup->volume.volume_id) != 0 ||
	    !same_geometry(backup, &backup->parent)) {
		notice(backup, "%s: holds another volume than at the last backup; reading "
		       "everything", backup->attachment.name);
		return false;
	}
	if (backup->parent.unreadable_chunks) {
		notice(backup, "%s: the last backup could not read all of it; reading everything",
		       backup->attachment.name);
		return false;
	}
	return true;
}

static void choose_parent(struct backup *backup)
{
	int r;

	backup->kind = CHANNEL_CUT_FULL;
	backup->has_parent = false;
	if (backup->request->full)
		return;
	if (base_is_usable(backup)) {
		backup->kind = CHANNEL_CUT_CHANGED;
		backup->has_parent = true;
		return;
	}
	r = tmc_point_find(backup->repo, "latest", backup->volume.volume_id, &backup->parent);
	backup->has_parent = r == 0 && same_geometry(backup, &backup->parent);
}

static int begin(struct backup *backup, struct tmc_backup **ret_backup)
{
	int r = tmc_backup_begin(backup->repo, &backup->volume,
				 backup->has_parent ? &backup->parent : NULL, 0, ret_backup);

	if ((r == -EBADMSG || r == -ENOENT) && backup->has_parent) {
		notice(backup, "%s: the point to build on is damaged (%s); reading everything, run "
		       "\"tidemark verify\"", backup->attachment.name, tmc_error_text());
		backup->has_parent = false;
		backup->kind = CHANNEL_CUT_FULL;
		r = tmc_backup_begin(backup->repo, &backup->volume, NULL, 0, ret_backup);
	}
	return r < 0 ? catalog_failure(r) : 0;
}

static int cut(struct backup *backup, struct channel_cut *ret_cut, bool *ret_froze)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	CLEANUP(freeze_set_clear) struct freeze_set set = {0};
	int r;

	if (backup->request->freeze) {
		r = open_tree(&tree);
		if (r == 0)
			r = freeze_set_find(&tree, &backup->range, &set);
		if (r < 0)
			return r;
		freeze_set_sync(&tree, &backup->range);
	}
	if (interrupt_is_pending(&backup->interrupt))
		return failure_set(-ECANCELED, "interrupted; no restore point was made");
	r = channel_cut(backup->channel, backup->kind, set.devices, set.nr, ret_cut);
	*ret_froze = r == 0 && set.nr_mounts > 0;
	return r;
}

static int commit_point(struct backup *backup, struct tmc_backup *tmc,
			const struct channel_cut *cut, struct backup_result *result)
{
	int r = tmc_backup_commit(tmc, cut->time_ns, result->read_bytes, &result->point);

	if (r == -EINVAL)
		return failure_set(-EPROTO, "%s: %s; this is a bug, please report it",
				   backup->attachment.name, tmc_error_text());
	return r < 0 ? catalog_failure(r) : 0;
}

/* Takes tmc in every case. */
static int capture_and_commit(struct backup *backup, struct tmc_backup *tmc,
			      const struct channel_cut *cut, struct backup_result *result)
{
	struct capture_request request = {
		.channel = backup->channel,
		.cut = *cut,
		.backup = tmc,
		.spill_dir = backup->request->repository,
		.live_fd = backup->live_fd,
		.interrupt = &backup->interrupt,
		.progress = &backup->progress,
	};
	struct capture_result captured;
	int r;

	progress_start(&backup->progress, "backing up", backup->request->progress);
	r = capture_run(&request, &captured);
	progress_stop(&backup->progress);
	if (r == -EPIPE) {
		r = commit_point(backup, tmc, cut, result); /* says why; makes no point */
		return r < 0 ? r : failure_set(-EIO, "%s: the repository failed",
					       backup->request->repository);
	}
	if (r < 0)
		return give_up(tmc, r);
	result->frozen_bytes = captured.frozen_bytes;
	result->read_bytes = captured.read_bytes;
	result->preserved_bytes = captured.preserved_bytes;
	return commit_point(backup, tmc, cut, result);
}

static void acknowledge(struct backup *backup, const struct channel_cut *cut,
			struct backup_result *result)
{
	int r = channel_commit(backup->channel, cut->epoch, result->point.id.bytes);

	result->acknowledged = r == 0;
	if (r < 0)
		notice(backup, "%s; the restore point is complete, the next backup reads again "
		       "what this one read", failure_text());
}

static int attempt(struct backup *backup, struct backup_result *result)
{
	struct tmc_backup *tmc = NULL;
	struct channel_cut the_cut;
	int r = begin(backup, &tmc);

	if (r < 0)
		return r;
	r = cut(backup, &the_cut, &result->froze);
	if (r < 0)
		return give_up(tmc, r);
	result->full = backup->kind == CHANNEL_CUT_FULL;
	r = capture_and_commit(backup, tmc, &the_cut, result);
	if (r == 0) {
		acknowledge(backup, &the_cut, result);
	} else {
		char reason[1024];

		snprintf(reason, sizeof(reason), "%s", failure_text());
		channel_abort(backup->channel, the_cut.epoch);
		failure_set(r, "%s", reason);
	}
	return r;
}

static int attempt_until_done(struct backup *backup, struct backup_result *result)
{
	int r = -ESTALE;

	for (result->attempts = 1;; result->attempts++) {
		r = attempt(backup, result);
		if (r != -ESTALE || result->attempts == ATTEMPTS_MAX)
			break;
		notice(backup, "%s: more was overwritten than could be kept, so the cut was lost; "
		       "trying again with a new one", backup->attachment.name);
	}
	if (r == -ESTALE)
		return failure_set(-ESTALE, "%s: %d cuts were lost, because more was overwritten "
				   "than the repository took in; try again when there is less load",
				   backup->attachment.name, ATTEMPTS_MAX);
	return r;
}

static void close_backup(struct backup *backup)
{
	channel_close(backup->channel);
	if (backup->live_fd >= 0)
		close(backup->live_fd);
	if (backup->repo)
		tmc_repo_close(backup->repo);
	interrupt_stop(&backup->interrupt);
}

int backup_run(const struct backup_request *request, struct backup_result *ret_result)
{
	CLEANUP(close_backup) struct backup backup = {
		.request = request,
		.live_fd = -1,
		.interrupt = {.fd = -1},
		.progress = {.lock = PTHREAD_MUTEX_INITIALIZER},
	};
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r = interrupt_start(&backup.interrupt);

	*ret_result = (struct backup_result){0};
	if (r < 0)
		return r;
	resident_enter();
	r = prepare(&backup);
	if (r < 0)
		return r;
	choose_parent(&backup);
	r = attempt_until_done(&backup, ret_result);
	ret_result->elapsed_ms = (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000u;
	return r;
}

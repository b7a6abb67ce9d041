// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The order that a crash at any moment must find harmless, for each volume:
 *
 *   1. The cut moves the dirty set into the frozen set. Dying before 3 puts it
 *      back: the next backup reads the same chunks and more.
 *   2. The catalog's commit makes the point durable. Dying between 2 and 3 leaves
 *      a valid point that the module does not know: the next backup is relative
 *      to the one before, and stores nothing twice.
 *   3. The module's commit names the point as its base and forgets the frozen set.
 *      It must never come before 2: a base that does not exist loses changes.
 *
 * Several volumes are cut at once and captured side by side, since writes to each of
 * them wait for their agent. Points are made when all images are complete, one after
 * another: a failure among the images makes no point at all, one among the commits
 * leaves those before it, which are good. The group in each says how many belong
 * together.
 *
 * A hook makes its application quiet for the cut alone: file systems are synced before, and
 * after-cut does not wait for the capture, nor the capture for it.
 */
#include "agent/backup.h"
#include "agent/device.h"
#include "agent/freeze_set.h"
#include "agent/hook.h"
#include "agent/interrupt.h"
#include "agent/pace.h"
#include "agent/phases.h"
#include "agent/resident.h"
#include "agent/volume_backup.h"
#include "common/bell.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/progress.h"
#include "common/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#define ATTEMPTS_MAX 3

_Static_assert(BACKUP_VOLUMES_MAX == CHANNEL_CUT_VOLUMES_MAX, "one cut is one backup");

struct backup {
	const struct backup_request *request;
	struct tmc_repo *repo;
	struct interrupt interrupt;
	struct progress progress;
	struct phases phases;
	size_t nr_open; /* volumes */
	struct volume_backup *volumes;
	char group[TMC_TEXT_BYTES]; /* empty for one volume */
	struct first_failure failure;
	struct pace pace;
	int stop_fd; /* eventfd: a capture has failed, the others are to end */
};

/* A capture in a thread of its own. */
struct part {
	struct backup *backup;
	struct volume_backup *volume;
	pthread_t thread;
	int error;
};

/* Who is meant when it can be any of them. */
static const char *name_of_all(const struct backup *backup)
{
	return backup->request->nr_volumes == 1 ? backup->volumes[0].live.attachment.name :
						  "one of the volumes";
}

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
	backup->request->notice(text);
}

/* ---------------------------------------------------------------------- opening */

static int open_repository(struct backup *backup)
{
	int r = tmc_repo_open(backup->request->repository, &backup->repo);

	if (r == 0 && backup->request->compression)
		r = tmc_repo_set_compression(backup->repo, backup->request->compression);
	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

/* Binding the same attachment again would fail too, with a sentence that misleads. */
static int check_given_once(const struct backup *backup, const char *volume)
{
	struct attachment attachment;
	int r = device_find(volume, &attachment);

	for (size_t i = 0; r == 0 && i < backup->nr_open; i++)
		if (backup->volumes[i].live.attachment.mapped == attachment.mapped)
			r = failure_set(-EINVAL, "%s: is given twice", volume);
	return r;
}

static int open_volumes(struct backup *backup, struct backup_result *results)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	const struct backup_request *request = backup->request;
	int r = 0;

	backup->volumes = calloc(request->nr_volumes, sizeof(*backup->volumes));
	if (!backup->volumes)
		return failure_set(-ENOMEM, "backup: out of memory");
	r = block_tree_open_system(&tree);
	while (r == 0 && backup->nr_open < request->nr_volumes) {
		struct volume_backup *v = &backup->volumes[backup->nr_open];

		r = check_given_once(backup, request->volumes[backup->nr_open]);
		if (r < 0)
			break;
		*v = (struct volume_backup){
			.request = request,
			.repo = backup->repo,
			.live.fd = -1,
			.result = &results[backup->nr_open],
		};
		r = volume_backup_open(v, request->volumes[backup->nr_open++], &tree);
	}
	return r;
}

static int name_group(struct backup *backup)
{
	const struct backup_request *request = backup->request;
	const char *name = request->group;
	uint64_t random[2];
	int length;

	if (request->nr_volumes == 1 && !name)
		return 0;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return failure_set(-EIO, "getrandom: %s", strerror(errno));
	length = snprintf(backup->group, sizeof(backup->group),
			  "%016" PRIx64 "%016" PRIx64 "-%zu%s%s", random[0], random[1],
			  request->nr_volumes, name ? "-" : "", name ? name : "");
	return length < (int)sizeof(backup->group) ? 0 :
	       failure_set(-EINVAL, "%s: the name of a group is too long", name);
}

/* -------------------------------------------------------------------------- cut */

static int begin_all(struct backup *backup)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < backup->nr_open; i++)
		r = volume_backup_begin(&backup->volumes[i],
					backup->group[0] ? backup->group : NULL);
	return r;
}

static int sync_file_systems(struct backup *backup)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	int r = block_tree_open_system(&tree);

	for (size_t i = 0; r == 0 && i < backup->nr_open; i++)
		freeze_set_sync(&tree, &backup->volumes[i].live.range);
	return r;
}

static int find_freeze_set(struct backup *backup, struct freeze_set *ret_set)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct block_range ranges[BACKUP_VOLUMES_MAX];
	int r = block_tree_open_system(&tree);

	for (size_t i = 0; i < backup->nr_open; i++)
		ranges[i] = backup->volumes[i].live.range;
	if (r == 0)
		r = freeze_set_find(&tree, ranges, backup->nr_open, ret_set);
	for (size_t i = 0; r == 0 && i < backup->nr_open; i++)
		backup->volumes[i].result->froze = freeze_set_count_mounts(&tree, &ranges[i]) > 0;
	return r;
}

static int cut_all(struct backup *backup)
{
	struct channel_cut_part parts[BACKUP_VOLUMES_MAX];
	CLEANUP(freeze_set_clear) struct freeze_set set = {0};
	int r = backup->request->freeze ? find_freeze_set(backup, &set) : 0;

	if (r < 0)
		return r;
	if (interrupt_is_pending(&backup->interrupt))
		return failure_set(-ECANCELED, "interrupted; no restore point was made");
	for (size_t i = 0; i < backup->nr_open; i++)
		parts[i] = (struct channel_cut_part){
			.channel = backup->volumes[i].live.channel,
			.kind = backup->volumes[i].kind,
		};
	r = channel_cut(parts, backup->nr_open, set.devices, set.nr);
	for (size_t i = 0; r == 0 && i < backup->nr_open; i++) {
		backup->volumes[i].cut = parts[i].cut;
		backup->volumes[i].result->full = parts[i].kind == CHANNEL_CUT_FULL;
		volume_backup_note_unsettled(&backup->volumes[i]);
	}
	return r;
}

/* Who was made quiet goes on as soon as the cut is made, or is not. */
static int cut_quietly(struct backup *backup)
{
	int r = backup->request->freeze ? sync_file_systems(backup) : 0;

	/* Before the thread of after-cut, which clears the line to say something. */
	progress_start(&backup->progress, "backing up", backup->request->progress);
	if (r == 0)
		r = phases_before_cut(&backup->phases);
	if (r == 0)
		r = cut_all(backup);
	phases_after_cut(&backup->phases);
	return r;
}

/* Those of captures that failed, and of all where one did; keeps failure_text(). */
static void abort_cuts(struct backup *backup, size_t first)
{
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	for (size_t i = first; i < backup->nr_open; i++)
		channel_abort(backup->volumes[i].live.channel, backup->volumes[i].cut.epoch);
	failure_set(-ECANCELED, "%s", reason);
}

/* ---------------------------------------------------------------------- capture */

/* The first failure counts; whoever is stopped by it fails as well, later. */
static void fail(struct backup *backup, int error)
{
	first_failure_note(&backup->failure, error);
	bell_ring(backup->stop_fd);
}

/* Sentences of a capture say "the volume" or "device", as there is one. */
static void say_which(const struct backup *backup, const struct volume_backup *v, int error)
{
	char text[1024];

	if (backup->nr_open == 1 || error == -ECANCELED ||
	    strncmp(failure_text(), v->live.attachment.name, strlen(v->live.attachment.name)) == 0)
		return;
	snprintf(text, sizeof(text), "%s", failure_text());
	failure_set(error, "%s: %s", v->live.attachment.name, text);
}

static void *capture_part(void *argument)
{
	struct part *part = argument;
	struct backup *backup = part->backup;
	struct capture_request request = {
		.channel = part->volume->live.channel,
		.cut = part->volume->cut,
		.backup = part->volume->draft,
		.spill_dir = backup->request->repository,
		.live_fd = part->volume->live.fd,
		.interrupt = &backup->interrupt,
		.stop_fd = backup->stop_fd,
		.progress = &backup->progress,
		.pace = &backup->pace,
		.io_class = backup->request->limits.io_class,
	};
	struct capture_result captured = {0};

	part->error = capture_run(&request, &captured);
	if (part->error < 0) {
		say_which(backup, part->volume, part->error);
		fail(backup, part->error);
	}
	part->volume->result->frozen_bytes = captured.frozen_bytes;
	part->volume->result->read_bytes = captured.read_bytes;
	part->volume->result->preserved_bytes = captured.preserved_bytes;
	return NULL;
}

/* The catalog says why only when it is asked to commit, which makes no point then. */
static int ask_catalog(struct part *parts, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		int r = parts[i].error == -EPIPE ? volume_backup_commit(parts[i].volume) : 0;

		if (r < 0)
			return r;
	}
	return failure_set(-EIO, "%s: the repository failed",
			   parts[0].backup->request->repository);
}

static int run_parts(struct backup *backup, struct part *parts)
{
	size_t nr = 0;
	int r = 0;

	while (nr < backup->nr_open) {
		parts[nr] = (struct part){.backup = backup, .volume = &backup->volumes[nr]};
		r = threads_start_small(&parts[nr].thread, capture_part, &parts[nr]);
		if (r < 0) {
			fail(backup, r);
			break;
		}
		nr++;
	}
	for (size_t i = 0; i < nr; i++)
		pthread_join(parts[i].thread, NULL);
	r = first_failure_get(&backup->failure);
	return r == -EPIPE ? ask_catalog(parts, nr) : r;
}

static uint64_t frozen_bytes(const struct backup *backup)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < backup->nr_open; i++)
		bytes += backup->volumes[i].cut.frozen_chunks * backup->volumes[i].live.info->chunk_bytes;
	return bytes;
}

static int capture_all(struct backup *backup)
{
	CLEANUP_CLOSE int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct part parts[BACKUP_VOLUMES_MAX];
	int r;

	if (stop_fd < 0)
		return failure_set(-errno, "eventfd: %s", strerror(errno));
	backup->stop_fd = stop_fd;
	first_failure_init(&backup->failure);
	progress_set_total(&backup->progress, frozen_bytes(backup));
	pace_init(&backup->pace, backup->request->limits.bytes_per_second,
		  backup->request->limits.cpu_percent);
	r = run_parts(backup, parts);
	progress_stop(&backup->progress);
	return r;
}

/* ----------------------------------------------------------------------- commit */

static int commit_all(struct backup *backup)
{
	for (size_t i = 0; i < backup->nr_open; i++) {
		int r = volume_backup_commit(&backup->volumes[i]);

		if (r < 0) {
			abort_cuts(backup, i);
			return r;
		}
		volume_backup_acknowledge(&backup->volumes[i]);
	}
	return 0;
}

static void give_up_drafts(struct backup *backup)
{
	for (size_t i = 0; i < backup->nr_open; i++)
		volume_backup_give_up(&backup->volumes[i]);
}

static int attempt(struct backup *backup)
{
	int r = begin_all(backup);

	if (r == 0)
		r = cut_quietly(backup);
	if (r == 0) {
		r = capture_all(backup);
		if (r < 0)
			abort_cuts(backup, 0);
		else
			r = commit_all(backup);
	}
	give_up_drafts(backup);
	phases_wait(&backup->phases);
	return r;
}

static int attempt_until_done(struct backup *backup, struct backup_result *results)
{
	unsigned int nr = 0;
	int r;

	do {
		if (nr)
			notice(backup, "%s: more was overwritten than could be kept, so the cut was "
			       "lost; trying again with a new one", name_of_all(backup));
		nr++;
		for (size_t i = 0; i < backup->nr_open; i++)
			results[i].attempts = nr;
		r = attempt(backup);
	} while (r == -ESTALE && nr < ATTEMPTS_MAX);
	if (r == -ESTALE)
		return failure_set(-ESTALE, "%s: %d cuts were lost, because more was overwritten "
				   "than the repository took in; try again when there is less load",
				   name_of_all(backup), ATTEMPTS_MAX);
	return r;
}

static void close_backup(struct backup *backup)
{
	for (size_t i = 0; i < backup->nr_open; i++)
		volume_backup_close(&backup->volumes[i]);
	free(backup->volumes);
	if (backup->repo)
		tmc_repo_close(backup->repo);
	interrupt_stop(&backup->interrupt);
}

static int open_backup(struct backup *backup, struct backup_result *results)
{
	int r = backup->request->hook ? hook_check(backup->request->hook) : 0;

	if (r == 0)
		r = open_repository(backup);
	if (r == 0)
		r = open_volumes(backup, results);
	return r == 0 ? name_group(backup) : r;
}

static int run_phases(struct backup *backup, struct backup_result *results)
{
	int r;

	backup->phases = (struct phases){
		.request = backup->request,
		.interrupt = &backup->interrupt,
		.progress = &backup->progress,
		.volumes = backup->volumes,
		.nr_volumes = backup->nr_open,
	};
	r = phases_begin(&backup->phases);
	if (r == 0)
		r = attempt_until_done(backup, results);
	phases_end(&backup->phases, r);
	return r;
}

static enum backup_hook hook_result(const struct backup *backup)
{
	if (!backup->request->hook)
		return BACKUP_HOOK_NONE;
	return backup->phases.failed ? BACKUP_HOOK_FAILED : BACKUP_HOOK_DONE;
}

int backup_run(const struct backup_request *request, struct backup_result *ret_results)
{
	CLEANUP(close_backup) struct backup backup = {
		.request = request,
		.interrupt = {.fd = -1},
		.progress = {.lock = PTHREAD_MUTEX_INITIALIZER},
	};
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r = interrupt_start(&backup.interrupt);

	memset(ret_results, 0, request->nr_volumes * sizeof(*ret_results));
	if (r < 0)
		return r;
	resident_enter();
	r = open_backup(&backup, ret_results);
	if (r < 0)
		return r;
	for (size_t i = 0; i < backup.nr_open; i++)
		volume_backup_choose_parent(&backup.volumes[i]);
	r = run_phases(&backup, ret_results);
	for (size_t i = 0; i < request->nr_volumes; i++) {
		ret_results[i].hook = hook_result(&backup);
		ret_results[i].elapsed_ms = (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000u;
	}
	return r;
}

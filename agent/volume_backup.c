// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A base is only believed when this repository has a point of that id, of the same
 * volume, size and chunk size. Without one everything is read ("rescan"); the latest
 * point of the volume then tells the catalog what has not changed.
 */
#include "agent/volume_backup.h"
#include "agent/catalog_failure.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int volume_backup_open(struct volume_backup *v, const char *volume, const struct block_tree *tree)
{
	int r = live_volume_open(&v->live, volume, v->request->repository, v->repo, tree);

	if (r == 0 && strcmp(v->live.attachment.device_state, "grown") == 0)
		notice(v, "%s: the device has grown; what lies beyond %" PRIu64 " bytes is not in "
		       "the backup until it is detached and attached again",
		       v->live.attachment.name, v->live.info->volume_bytes);
	return r;
}

void volume_backup_close(struct volume_backup *v)
{
	tmc_backup_abort(v->draft);
	v->draft = NULL;
	live_volume_close(&v->live);
}

static bool same_geometry(const struct volume_backup *v, const struct tmc_point *point)
{
	return point->volume.volume_bytes == v->live.info->volume_bytes &&
	       point->chunk_bytes == v->live.info->chunk_bytes;
}

static bool base_is_usable(struct volume_backup *v)
{
	struct tmc_id id;
	int r;

	if (!v->live.info->has_base)
		return false;
	memcpy(id.bytes, v->live.info->base, sizeof(id.bytes));
	r = tmc_point_get(v->repo, &id, &v->parent);
	if (r < 0) {
		notice(v, "%s: the last backup went to another repository, or its point is "
		       "gone; reading everything", v->live.attachment.name);
		return false;
	}
	if (strcmp(v->parent.volume.volume_id, v->live.volume.volume_id) != 0 ||
	    !same_geometry(v, &v->parent)) {
		notice(v, "%s: holds another volume than at the last backup; reading "
		       "everything", v->live.attachment.name);
		return false;
	}
	if (v->parent.unreadable_chunks) {
		notice(v, "%s: the last backup could not read all of it; reading everything",
		       v->live.attachment.name);
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
	r = tmc_point_find(v->repo, "latest", v->live.volume.volume_id, &v->parent);
	v->has_parent = r == 0 && same_geometry(v, &v->parent);
}

int volume_backup_begin(struct volume_backup *v, const char *group)
{
	int r = tmc_backup_begin(v->repo, &v->live.volume,
				 v->has_parent ? &v->parent : NULL, 0, &v->draft);

	if ((r == -EBADMSG || r == -ENOENT) && v->has_parent) {
		notice(v, "%s: the point to build on is damaged (%s); reading everything, run "
		       "\"tidemark verify\"", v->live.attachment.name, tmc_error_text());
		v->has_parent = false;
		v->kind = CHANNEL_CUT_FULL;
		r = tmc_backup_begin(v->repo, &v->live.volume, NULL, 0, &v->draft);
	}
	if (r < 0)
		return catalog_failure(r);
	if (group)
		tmc_backup_set_group(v->draft, group);
	return 0;
}

void volume_backup_note_unsettled(struct volume_backup *v)
{
	if (!channel_has_settled(v->live.channel))
		notice(v, "%s: was attached just now, and no file system of its own was frozen: "
		       "the next backup reads again what this one reads", v->live.attachment.name);
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
				   v->live.attachment.name, tmc_error_text());
	if (r == -ESTALE) /* of a network file system, not of a cut */
		r = -EIO;
	if (r < 0)
		return catalog_failure(r);
	v->result->made = true;
	return 0;
}

void volume_backup_acknowledge(struct volume_backup *v)
{
	int r = channel_commit(v->live.channel, v->cut.epoch, v->result->point.id.bytes);

	v->result->acknowledged = r == 0;
	if (r < 0)
		notice(v, "%s; the restore point is complete, the next backup reads again what this "
		       "one read", failure_text());
}

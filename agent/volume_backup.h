/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One volume of a backup: which attachment, which device, which point it builds on,
 * and the draft of the new one. backup.c leads one or several of them through the
 * steps, in the order of the functions below. What fails leaves a sentence.
 */
#ifndef AGENT_VOLUME_BACKUP_H
#define AGENT_VOLUME_BACKUP_H

#include "agent/backup.h"
#include "agent/capture.h"
#include "agent/live_volume.h"

struct volume_backup {
	const struct backup_request *request;
	struct tmc_repo *repo;
	struct live_volume live;
	bool has_parent;
	struct tmc_point parent;
	enum channel_cut_kind kind;
	struct tmc_backup *draft; /* NULL: none, or its point is made */
	struct channel_cut cut;
	struct backup_result *result;
};

/**
 * Find the attachment, bind its channel, open its device. volume: as the user named
 * it. Errors: as backup_run().
 */
int volume_backup_open(struct volume_backup *v, const char *volume, const struct block_tree *tree);
void volume_backup_close(struct volume_backup *v);

/** Tell the user where the image that was just cut has to be made once more. */
void volume_backup_note_unsettled(struct volume_backup *v);

/** Which point to build on, and so whether to read all or what has changed. */
void volume_backup_choose_parent(struct volume_backup *v);

/** Begin a draft, of a group where that is not NULL. */
int volume_backup_begin(struct volume_backup *v, const char *group);
/** Give the draft up, if there is one; keeps failure_text(). */
void volume_backup_give_up(struct volume_backup *v);

/** The image is captured: make the point, then let the module know. */
int volume_backup_commit(struct volume_backup *v);
void volume_backup_acknowledge(struct volume_backup *v);

#endif

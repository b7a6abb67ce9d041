/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Put a restore point, or a volume as it was at an instant, back on a device, into a file or
 * on standard output: whole, a range of it, or in place what differs. docs/restore.md is the
 * design.
 */
#ifndef RESTORE_RESTORE_H
#define RESTORE_RESTORE_H

#include "restore/tally.h"
#include "restore/target_check.h"
#include "restore/tracker.h"

#include <stddef.h>
#include <stdint.h>
#include <tidemark.h>

#define RESTORE_STDOUT "-" /* as a target */

enum restore_method {
	RESTORE_WHOLE,
	RESTORE_DELTA,  /* in place; what is there already stays */
	RESTORE_RESUME, /* the same; a new file is FILE.partial until it is whole */
};

/* How it was found out what need not be written. */
enum restore_basis {
	RESTORE_BY_NOTHING, /* all is written */
	RESTORE_BY_HASH,
	RESTORE_BY_TRACKER, /* and by hash where that says that something may differ */
	RESTORE_BY_BYTES,   /* of an instant, which has no hashes */
};

enum restore_stage {
	RESTORE_NOT_BEGUN, /* nothing has been changed */
	RESTORE_BEGUN,
	RESTORE_COMPLETE,
};

struct restore_result {
	struct tmc_point point;     /* of an instant: only its volume */
	struct tmc_instant instant; /* where one was asked for */
	bool is_keyed;              /* hashes are keyed ones: the repository is encrypted */
	enum restore_method method;
	enum restore_basis basis;
	struct tmc_id base;          /* of RESTORE_BY_TRACKER */
	char why[TRACKER_WHY_BYTES]; /* a device is compared by hash alone: why not by the tracker */
	enum restore_stage stage;
	bool dry_run;                /* the tally says what would be done */
	struct tally tally;
	bool is_read_back;
	uint64_t nr_compared;  /* chunks read from the target before anything was written */
	uint64_t nr_read_back; /* chunks read from it afterwards */
	uint64_t start_ns;     /* CLOCK_REALTIME */
	uint64_t elapsed_ms;
};

struct restore_request {
	const char *repository;
	const char *point;  /* first digits of an id, or "latest" */
	const struct tmc_when *when; /* an instant in place of a point; NULL: none */
	const char *volume; /* of the instant: journal_volume_find() */
	const char *target; /* RESTORE_STDOUT: a point only, and RESTORE_WHOLE */
	enum target_force force;
	enum restore_method method;
	uint64_t begin, end; /* bytes of the volume; end 0: to its end */
	bool dry_run;
	bool read_back; /* also of a whole restore; what is done in place always is */
	bool progress;
	/* Right before the target is changed. An error, with its sentence, leaves it as it is. */
	int (*begins)(void *context, const struct restore_result *result);
	void *context;
};

struct restore;

/**
 * All that comes before the first byte: what is meant is found, the target is checked and held
 * open, a device exclusively, and it is known what is to be written. repo is open until
 * restore_close(); request and ret_result, which is set in every case, stay where they are.
 * Errors: those of restore_run().
 */
int restore_open(struct tmc_repo *repo, const struct restore_request *request,
		 struct restore_result *ret_result, struct restore **ret_restore);

/** Once: write it, or of a dry run tell what would be written. Errors: those of restore_run(). */
int restore_write(struct restore *restore);

/** NULL is fine. A target that was not written is as it was; NAME.partial stays. */
void restore_close(struct restore *restore);

/**
 * All of it. ret_result is set in every case, also on error; cleared with restore_result_clear().
 * Errors, each with a sentence in failure_text(): those of target_check() and
 * target_open(), -ENOENT (no such point, or it is a scan), -ENOTUNIQ, -EMEDIUMTYPE (no
 * repository), those of journal_volume_find() and tmc_instant_find(), -ERANGE (the range
 * lies beyond the volume), -EINVAL (what standard output cannot take), -ESTALE (somebody else
 * wrote to the target), -EBADMSG (the repository is damaged; the target is incomplete).
 */
int restore_run(const struct restore_request *request, struct restore_result *ret_result);

void restore_result_clear(struct restore_result *result);

#endif

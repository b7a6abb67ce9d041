/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * All points, dooms and indexes that there are at one time, and which blobs some of
 * the points need: what a prune decides by (docs/repository.md).
 */
#ifndef CATALOG_SURVEY_H
#define CATALOG_SURVEY_H

#include "catalog/proof.h"
#include "catalog/repo.h"
#include "catalog/tree.h"

struct tmc_survey_point {
	struct tmc_id id;
	struct tmc_tree tree;
	uint64_t generation;
};

struct tmc_survey { /* one thread's */
	struct tmc_repo view; /* the repository, with indexes and packs of its own */
	struct tmc_survey_point *points; /* by id, doomed ones too */
	size_t nr_points;
	struct tmc_dooms dooms;
	struct tmc_proof proof; /* TMC_PROOF_NEEDED */
	bool *index_is_doomed;  /* by number */
};

/**
 * Look at everything afresh: points first, so that whatever a listed point needs is seen.
 * Nothing damaged is passed over. Closed with tmc_survey_close in every case. Errors:
 * -EBADMSG, and of listing.
 */
int tmc_survey_open(struct tmc_survey *survey, struct tmc_repo *repo);
void tmc_survey_close(struct tmc_survey *survey);

/** Whether the points that are there now are all in the survey: 1, 0 or a negative errno. */
int tmc_survey_is_complete(struct tmc_survey *survey);

/**
 * Walk the trees of points: each blob that they need, once, and marked. need() chooses the
 * points. Errors: -EBADMSG (a node cannot be read, a blob has no place).
 */
int tmc_survey_walk(struct tmc_survey *survey,
		    bool (*need)(void *context, const struct tmc_survey_point *point),
		    void (*blob)(void *context, const struct tmc_location *location), void *context);

/** Whether the walk has met a blob. */
bool tmc_survey_needs(const struct tmc_survey *survey, enum tmc_blob_type type,
		      const struct tmc_id *id);

#endif

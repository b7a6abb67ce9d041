/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The life of a small volume whose every state is kept in memory, with a journal of as many
 * stretches, segments and points as a test likes: for what is given up of it.
 */
#ifndef TESTS_UNIT_JOURNAL_LIFE_H
#define TESTS_UNIT_JOURNAL_LIFE_H

#include "repo_fixture.h"

#define LIFE_CHUNK   4096u
#define LIFE_CHUNKS  6u
#define LIFE_BYTES   (LIFE_CHUNKS * LIFE_CHUNK - 512)
#define LIFE_RECORDS 400u
#define LIFE_POINTS  64u
#define LIFE_SEGMENT 10u /* records */
#define HOUR_NS      3600000000000ull

struct life {
	struct fixture *fixture;
	struct tmc_repo *repo;
	uint64_t seed;
	uint64_t time_ns; /* of the next record */
	uint64_t nr;      /* records so far: their seqs are 1 to nr */
	uint8_t device[LIFE_BYTES];
	uint8_t (*states)[LIFE_BYTES]; /* by seq */
	uint64_t stretches[LIFE_RECORDS + 1]; /* by seq */
	struct tmc_point points[LIFE_POINTS];
	unsigned int nr_points;
};

int life_setup(void **state);
int life_teardown(void **state);
/** As a new process would. */
void life_reopen(struct life *life);
uint32_t life_draw(struct life *life, uint32_t below);

/** So many segments of LIFE_SEGMENT records each, the first of which is a cut. */
void life_add_stretch(struct life *life, unsigned int nr_segments);

/** As many more of the latest stretch, by another process. */
void life_continue_stretch(struct life *life, unsigned int nr_segments);
/** Of all records so far. */
struct tmc_id life_last_segment(struct life *life);

/** A point at seq; settles_seq 0: exact. */
const struct tmc_point *life_add_point(struct life *life, uint64_t seq, uint64_t settles_seq);
void life_forget(struct life *life, const struct tmc_point *point);

/** Segments that end up to this seq have been written so long ago; the others just now. */
void life_age(struct life *life, uint64_t seq, uint64_t age_ns);

/** The first record that the list of segments has of the stretch with seq; 0: none. */
uint64_t life_first_seq(struct life *life, uint64_t seq);
/** The same of the files that are there, each of which is followed by its successor. */
uint64_t life_first_file(struct life *life, uint64_t seq);

/** Find the instant and extract it; -EILSEQ: it is not what the volume was. From any thread. */
int life_extract(const struct life *life, struct tmc_repo *repo, uint64_t seq);

/** Which instants are offered, by seq; each of them is what the volume was. Returns how many. */
unsigned int life_check(struct life *life, bool ret_offered[LIFE_RECORDS + 1]);
void life_expect_sound(struct life *life);

/** Give up; expects as many segments. */
void life_give_up(struct life *life, uint64_t keep_ns, uint64_t expected_segments);
/** A prune that frees what was given up. */
void life_sweep(struct life *life);

#endif

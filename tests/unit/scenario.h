/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a repository goes through, step by step, for tests that break something at
 * every possible place on the way: a failed call, a failed allocation, a power cut.
 * A feature is swept by all of them once it has a line in a scenario.
 */
#ifndef TESTS_UNIT_SCENARIO_H
#define TESTS_UNIT_SCENARIO_H

#include "repo_fixture.h"

#define WORLD_POINTS   8
#define WORLD_SEGMENTS 32

/** A restore point that the repository has acknowledged. */
struct world_point {
	struct tmc_point point;
	struct model *model;   /* what it has to give back */
	unsigned int made_by;  /* step, from 1 */
	unsigned int taken_by; /* the step that removes it; 0: none */
};

/** A segment of the journal that was told to be durable. */
struct world_segment {
	struct tmc_id id;
	uint64_t last_seq;
	unsigned int made_by;  /* step, from 1 */
	unsigned int taken_by; /* the step that gives it up; 0: none */
	bool may_stay;         /* that step need not */
};

/** The repository of a scenario and what it has to hold. */
struct world {
	const char *path;
	struct tmc_repo *repo;  /* NULL until init has been run */
	struct model *model;    /* the volume as it is now */
	unsigned int step;      /* which one runs, from 1 */
	bool may_have_others;   /* whole points that nobody acknowledged */
	unsigned int nr_points;
	struct world_point points[WORLD_POINTS];
	uint64_t next_seq;
	uint64_t stretch;       /* the latest that ended well, and ... */
	uint64_t stretch_seq;   /* ... its first record */
	unsigned int nr_segments;
	struct world_segment segments[WORLD_SEGMENTS];
};

/**
 * Returns 0 or a negative errno. A step that failed is run a second time, when
 * nothing fails any more, and has to succeed then. What it does wrong in any other
 * way it reports with fail_msg().
 */
struct scenario_step {
	const char *name;
	int (*run)(struct world *world);
};

struct scenario {
	const char *name;
	const struct scenario_step *steps;
	unsigned int nr_steps;
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

/** It was acknowledged, by this step, and is the volume as it is now. */
void world_add_point(struct world *world, const struct tmc_point *point);

/** Nothing is at path. */
void world_init(struct world *world, const char *path);
/** Also removes what is at the path. */
void world_exit(struct world *world);

/**
 * A fresh look at the repository: sound, and each point and segment that has to be there
 * after nr_done steps is there, bit for bit. What is there besides can only be what the
 * step after those makes or removes, and is whole. where: for the message.
 */
void world_expect_sound(const struct world *world, unsigned int nr_done, const char *where);
/** The same of the points alone, once others may have been added. */
void world_expect_points(const struct world *world, unsigned int nr_done, const char *where);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Several programs that use one repository, of which one runs at a time: they take
 * turns before calls of the store that others can tell, in an order that is told.
 */
#ifndef TESTS_UNIT_SCHEDULE_H
#define TESTS_UNIT_SCHEDULE_H

#include <stddef.h>

#define SCHEDULE_ACTORS 3
#define SCHEDULE_TURNS  4

/** Each has a handle of its own. */
struct schedule_actor {
	void (*run)(void *context);
	void *context;
};

struct schedule_turn {
	unsigned int actor;
	unsigned int nr_steps; /* how many calls it may begin */
};

/**
 * Run the actors, in the order of the turns; those that have not ended by then run to
 * their ends one after the other. ret_nr_steps, by actor, how many calls each made.
 */
void schedule_run(const struct schedule_actor *actors, size_t nr_actors,
		  const struct schedule_turn *turns, size_t nr_turns,
		  unsigned int ret_nr_steps[SCHEDULE_ACTORS]);

#endif

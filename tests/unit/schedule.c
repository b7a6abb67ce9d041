// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A call in any thread is one of the actor whose turn it is: the threads of others
 * stand still at calls of their own, or wait for those.
 */
#include "schedule.h"

#include "catalog/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct {
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	const struct schedule_turn *turns;
	size_t nr_turns, turn;
	unsigned int left; /* steps of this turn */
	size_t nr_actors;
	unsigned int running;
	bool has_ended[SCHEDULE_ACTORS];
	unsigned int nr_steps[SCHEDULE_ACTORS];
} schedule = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* The next turn of an actor that has not ended. */
static void give_turn_locked(void)
{
	while (schedule.turn < schedule.nr_turns) {
		const struct schedule_turn *turn = &schedule.turns[schedule.turn++];

		if (schedule.has_ended[turn->actor] || !turn->nr_steps)
			continue;
		schedule.running = turn->actor;
		schedule.left = turn->nr_steps;
		pthread_cond_broadcast(&schedule.changed);
		return;
	}
	for (unsigned int actor = 0; actor < schedule.nr_actors; actor++) {
		if (schedule.has_ended[actor])
			continue;
		schedule.running = actor;
		schedule.left = 0; /* to its end */
		pthread_cond_broadcast(&schedule.changed);
		return;
	}
}

static void step(enum tmc_store_call call, enum tmc_store_kind kind)
{
	unsigned int actor;

	pthread_mutex_lock(&schedule.lock);
	actor = schedule.running;
	schedule.nr_steps[actor]++;
	if (schedule.left && !--schedule.left)
		give_turn_locked();
	while (schedule.running != actor)
		pthread_cond_wait(&schedule.changed, &schedule.lock);
	pthread_mutex_unlock(&schedule.lock);
}

struct thread {
	const struct schedule_actor *actor;
	unsigned int number;
	pthread_t thread;
};

static void *actor_thread(void *context)
{
	struct thread *thread = context;

	pthread_mutex_lock(&schedule.lock);
	while (schedule.running != thread->number)
		pthread_cond_wait(&schedule.changed, &schedule.lock);
	pthread_mutex_unlock(&schedule.lock);
	thread->actor->run(thread->actor->context);
	pthread_mutex_lock(&schedule.lock);
	schedule.has_ended[thread->number] = true;
	give_turn_locked();
	pthread_mutex_unlock(&schedule.lock);
	return NULL;
}

void schedule_run(const struct schedule_actor *actors, size_t nr_actors,
		  const struct schedule_turn *turns, size_t nr_turns,
		  unsigned int ret_nr_steps[SCHEDULE_ACTORS])
{
	struct thread threads[SCHEDULE_ACTORS];

	memset(schedule.has_ended, 0, sizeof(schedule.has_ended));
	memset(schedule.nr_steps, 0, sizeof(schedule.nr_steps));
	schedule.turns = turns;
	schedule.nr_turns = nr_turns;
	schedule.turn = 0;
	schedule.nr_actors = nr_actors;
	give_turn_locked(); /* nobody is there yet */
	tmc_store_hooks.before = step;
	for (unsigned int i = 0; i < nr_actors; i++) {
		threads[i] = (struct thread){ .actor = &actors[i], .number = i };
		pthread_create(&threads[i].thread, NULL, actor_thread, &threads[i]);
	}
	for (unsigned int i = 0; i < nr_actors; i++)
		pthread_join(threads[i].thread, NULL);
	tmc_store_hooks.before = NULL;
	memcpy(ret_nr_steps, schedule.nr_steps, sizeof(schedule.nr_steps));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The bounded queue between threads that push, pop, and find it closed.
 */
#include "common/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#define NR_ITEMS 20000u

struct shared {
	struct queue *queue;
	atomic_ulong sum, nr;
};

static void *produce(void *context)
{
	struct shared *shared = context;

	for (uintptr_t i = 1; i <= NR_ITEMS; i++)
		if (!queue_push(shared->queue, (void *)i))
			return NULL;
	return shared;
}

static void *consume(void *context)
{
	struct shared *shared = context;
	void *item;

	while ((item = queue_pop(shared->queue))) {
		shared->sum += (uintptr_t)item;
		shared->nr++;
	}
	return NULL;
}

static void every_item_arrives_once(void **state)
{
	struct shared shared = { .queue = queue_create(3) };
	pthread_t producers[3], consumers[3];

	for (int i = 0; i < 3; i++) {
		pthread_create(&producers[i], NULL, produce, &shared);
		pthread_create(&consumers[i], NULL, consume, &shared);
	}
	for (int i = 0; i < 3; i++) {
		void *result;

		pthread_join(producers[i], &result);
		assert_non_null(result);
	}
	queue_close(shared.queue);
	for (int i = 0; i < 3; i++)
		pthread_join(consumers[i], NULL);
	assert_int_equal(shared.nr, 3 * NR_ITEMS);
	assert_int_equal(shared.sum, 3ul * NR_ITEMS * (NR_ITEMS + 1) / 2);
	queue_destroy(shared.queue);
}

static void a_closed_queue_gives_what_it_holds(void **state)
{
	struct queue *queue = queue_create(2);
	int a, b;

	assert_true(queue_push(queue, &a));
	assert_true(queue_push(queue, &b));
	queue_close(queue);
	assert_false(queue_push(queue, &a));
	assert_ptr_equal(queue_pop(queue), &a);
	assert_ptr_equal(queue_pop(queue), &b);
	assert_null(queue_pop(queue));
	assert_null(queue_pop(queue));
	queue_destroy(queue);
}

static void closing_wakes_who_waits(void **state)
{
	struct shared shared = { .queue = queue_create(1) };
	pthread_t producer;
	void *result;

	pthread_create(&producer, NULL, produce, &shared); /* nobody consumes */
	queue_close(shared.queue);
	pthread_join(producer, &result);
	assert_null(result);
	queue_destroy(shared.queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_arrives_once),
		cmocka_unit_test(a_closed_queue_gives_what_it_holds),
		cmocka_unit_test(closing_wakes_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

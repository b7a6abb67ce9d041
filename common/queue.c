// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One mutex, two conditions; items are big enough (a mebibyte of work) that
 * nothing finer pays.
 */
#include "common/queue.h"

#include "common/lock_scope.h"

#include <stdlib.h>

struct queue {
	pthread_mutex_t lock; /* for everything below */
	pthread_cond_t not_empty, not_full;
	size_t capacity, first, nr;
	bool closed;
	void *items[];
};

struct queue *queue_create(size_t capacity)
{
	struct queue *queue = calloc(1, sizeof(*queue) + capacity * sizeof(void *));

	if (!queue)
		return NULL;
	queue->capacity = capacity;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->not_empty, NULL);
	pthread_cond_init(&queue->not_full, NULL);
	return queue;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->not_full);
	pthread_cond_destroy(&queue->not_empty);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

bool queue_push(struct queue *queue, void *item)
{
	LOCK_SCOPE(&queue->lock);
	while (queue->nr == queue->capacity && !queue->closed)
		pthread_cond_wait(&queue->not_full, &queue->lock);
	if (queue->closed)
		return false;
	queue->items[(queue->first + queue->nr++) % queue->capacity] = item;
	pthread_cond_signal(&queue->not_empty);
	return true;
}

void *queue_pop(struct queue *queue)
{
	void *item;

	LOCK_SCOPE(&queue->lock);
	while (!queue->nr && !queue->closed)
		pthread_cond_wait(&queue->not_empty, &queue->lock);
	if (!queue->nr)
		return NULL;
	item = queue->items[queue->first];
	queue->first = (queue->first + 1) % queue->capacity;
	queue->nr--;
	pthread_cond_signal(&queue->not_full);
	return item;
}

void queue_close(struct queue *queue)
{
	LOCK_SCOPE(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->not_empty);
	pthread_cond_broadcast(&queue->not_full);
}

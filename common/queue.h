/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A bounded queue of pointers between threads. Producers wait while it is full,
 * consumers while it is empty. Once closed it takes nothing more; consumers still
 * get what is in it, then NULL.
 */
#ifndef COMMON_QUEUE_H
#define COMMON_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_create(size_t capacity);
void queue_destroy(struct queue *queue);

/** False when the queue has been closed: the item stays the caller's. */
bool queue_push(struct queue *queue, void *item);
void *queue_pop(struct queue *queue);
void queue_close(struct queue *queue);

#endif

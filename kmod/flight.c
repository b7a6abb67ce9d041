// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where flights come from and where they rest.
 *
 * A flight is made by the slab allocator, or, where that has nothing, taken from the
 * disk's reserve. What the allocator made rests on the CPU where it landed, up to a
 * number; flights of the reserve go back there, because somebody may be waiting.
 *
 * Closing visits every CPU: with interrupts off nobody is between the look at room
 * and the list, so that after the visit nothing comes to rest there again.
 */
#include "flight.h"

#include <linux/cpu.h>
#include <linux/slab.h>
#include <linux/smp.h>

#define RESERVED    128
#define RESTING_MAX 64
#define CLOSED      INT_MIN

static struct kmem_cache *flight_cache;

struct tm_flight *tm_flights_make(struct tm_flights *f, gfp_t gfp)
{
	struct tm_flight *flight;

	flight = kmem_cache_alloc(flight_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (flight) {
		flight->may_rest = true;
		return flight;
	}
	flight = mempool_alloc(&f->reserve, gfp);
	if (flight)
		flight->may_rest = false;
	return flight;
}

void tm_flights_free(struct tm_flights *f, struct tm_flight *flight)
{
	if (flight->may_rest)
		kmem_cache_free(flight_cache, flight);
	else
		mempool_free(flight, &f->reserve);
	percpu_ref_put(&f->ref);
}

static void close_resting(struct tm_flights *f, struct tm_resting *resting)
{
	struct tm_flight *flight = resting->first;

	resting->first = NULL;
	resting->room = CLOSED;
	while (flight) {
		struct tm_flight *next = flight->next;

		tm_flights_free(f, flight);
		flight = next;
	}
}

static void close_on_this_cpu(void *data)
{
	struct tm_flights *f = data;

	close_resting(f, this_cpu_ptr(f->resting));
}

void tm_flights_close(struct tm_flights *f)
{
	unsigned int cpu;

	cpus_read_lock();
	on_each_cpu(close_on_this_cpu, f, 1);
	for_each_possible_cpu(cpu)
		if (!cpu_online(cpu))
			close_resting(f, per_cpu_ptr(f->resting, cpu));
	cpus_read_unlock();
	percpu_ref_kill(&f->ref);
}

int tm_flights_create(struct tm_flights *f, percpu_ref_func_t *released)
{
	unsigned int cpu;

	f->resting = alloc_percpu(struct tm_resting);
	if (!f->resting)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		per_cpu_ptr(f->resting, cpu)->room = RESTING_MAX;
	if (mempool_init_slab_pool(&f->reserve, RESERVED, flight_cache))
		goto out_with_resting;
	if (percpu_ref_init(&f->ref, released, 0, GFP_KERNEL))
		goto out_with_reserve;
	return 0;

out_with_reserve:
	mempool_exit(&f->reserve);
out_with_resting:
	free_percpu(f->resting);
	return -ENOMEM;
}

void tm_flights_destroy(struct tm_flights *f)
{
	percpu_ref_exit(&f->ref);
	mempool_exit(&f->reserve);
	free_percpu(f->resting);
}

int tm_flights_init(void)
{
	flight_cache = KMEM_CACHE(tm_flight, 0);
	return flight_cache ? 0 : -ENOMEM;
}

void tm_flights_exit(void)
{
	kmem_cache_destroy(flight_cache);
}

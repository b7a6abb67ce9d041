// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "imitated_writers.h"
#include "common/clock_ns.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR     512u
#define PART_BYTES (WRITERS_SECTORS * SECTOR)
#define LONGEST    40u /* sectors of a write */

struct writer {
	struct writers *writers;
	pthread_t thread;
	unsigned int seed;
	uint64_t sector;
	uint8_t part[PART_BYTES]; /* as it is when nothing is in flight */
	struct writers_mark marks[WRITERS_MARKS_MAX];
	size_t nr_marks;
};

struct writers {
	struct module *module;
	struct writers_options options;
	atomic_bool stopping;
	struct writer writers[WRITERS_NR];
};

/* Names are never used twice, by whomever. */
static atomic_uint nr_names;

static void put(struct writer *writer)
{
	static const enum module_op ops[] = {
		MODULE_WRITE, MODULE_WRITE, MODULE_WRITE, MODULE_WRITE, MODULE_WRITE,
		MODULE_ZEROES, MODULE_DISCARD, MODULE_FLUSH, MODULE_FAILING_WRITE,
	};
	bool may_fail = writer->writers->options.fail && rand_r(&writer->seed) % 4 == 0;
	enum module_op op = ops[(unsigned int)rand_r(&writer->seed) % (may_fail ? 9 : 8)];
	uint64_t first = (uint64_t)rand_r(&writer->seed) % (WRITERS_SECTORS - LONGEST);
	uint64_t nr = op == MODULE_FLUSH ? 0 : 1 + (uint64_t)rand_r(&writer->seed) % LONGEST;
	uint8_t data[LONGEST * SECTOR];

	if (op == MODULE_FLUSH)
		first = 0;
	for (size_t i = 0; i < nr * SECTOR; i += sizeof(int)) {
		int value = rand_r(&writer->seed);

		memcpy(data + i, &value, sizeof(value));
	}
	module_write(writer->writers->module, op, nr ? writer->sector + first : 0, nr, data,
		     &writer->seed);
	if (nr)
		module_read(writer->writers->module, writer->sector + first, nr,
			    writer->part + first * SECTOR);
}

static void mark(struct writer *writer)
{
	struct writers_mark *told = &writer->marks[writer->nr_marks];
	int r;

	if (writer->nr_marks == WRITERS_MARKS_MAX)
		return;
	snprintf(told->name, sizeof(told->name), "mark %u", atomic_fetch_add(&nr_names, 1));
	r = module_mark(writer->writers->module, told->name);
	if (r < 0)
		return;
	told->time_ns = clock_ns(CLOCK_REALTIME);
	told->stands = r > 0;
	told->sector = writer->sector;
	told->content = malloc(PART_BYTES);
	memcpy(told->content, writer->part, PART_BYTES);
	writer->nr_marks++;
}

static void *write_on(void *argument)
{
	struct writer *writer = argument;
	struct writers *writers = writer->writers;

	module_read(writers->module, writer->sector, WRITERS_SECTORS, writer->part);
	while (!atomic_load(&writers->stopping)) {
		put(writer);
		if (rand_r(&writer->seed) % 12 == 0)
			mark(writer);
		if (writers->options.pause_us)
			usleep((useconds_t)rand_r(&writer->seed) % writers->options.pause_us);
	}
	return NULL;
}

struct writers *writers_start(struct module *module, const struct writers_options *options)
{
	struct writers *writers = calloc(1, sizeof(*writers));

	writers->module = module;
	writers->options = *options;
	for (unsigned int i = 0; i < WRITERS_NR; i++) {
		struct writer *writer = &writers->writers[i];

		writer->writers = writers;
		writer->seed = options->seed * WRITERS_NR + i;
		writer->sector = options->first_sector + i * WRITERS_SECTORS;
		if (pthread_create(&writer->thread, NULL, write_on, writer))
			abort();
	}
	return writers;
}

void writers_stop(struct writers *writers)
{
	atomic_store(&writers->stopping, true);
	for (unsigned int i = 0; i < WRITERS_NR; i++)
		pthread_join(writers->writers[i].thread, NULL);
}

const struct writers_mark *writers_mark(const struct writers *writers, size_t nth)
{
	for (unsigned int i = 0; i < WRITERS_NR; i++) {
		if (nth < writers->writers[i].nr_marks)
			return &writers->writers[i].marks[nth];
		nth -= writers->writers[i].nr_marks;
	}
	return NULL;
}

void writers_free(struct writers *writers)
{
	for (unsigned int i = 0; i < WRITERS_NR; i++)
		for (size_t j = 0; j < writers->writers[i].nr_marks; j++)
			free(writers->writers[i].marks[j].content);
	free(writers);
}

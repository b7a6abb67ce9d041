// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   worst DEVICE WRITERS    random direct writes of 4 KiB, until standard input ends
 *
 * Each line read is the name of what has just been done to the device; the answer is
 * "NAME US": how long the slowest write since the last line took. A write that was
 * under way when the line came counts for it.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, WRITERS_MAX = 16 };

struct writer {
	pthread_t thread;
	unsigned int seed;
	_Atomic uint64_t worst_ns, nr_done;
};

static struct writer writers[WRITERS_MAX];
static const char *path;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *write_on(void *data)
{
	struct writer *w = data;
	int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *buffer = aligned_alloc(BLOCK, BLOCK);

	if (end < BLOCK || !buffer)
		err(1, "%s", path);
	memset(buffer, (int)w->seed, BLOCK);
	for (;;) {
		off_t at = rand_r(&w->seed) % (end / BLOCK) * BLOCK;
		uint64_t start = now_ns();

		if (pwrite(fd, buffer, BLOCK, at) != BLOCK)
			err(1, "%s at %lld", path, (long long)at);
		start = now_ns() - start;
		if (start > w->worst_ns)
			w->worst_ns = start;
		w->nr_done++;
	}
	return NULL;
}

/* Waits for two completions: the second of them began after this was asked. */
static uint64_t take_worst(struct writer *w)
{
	uint64_t until = w->nr_done + 2;

	while (w->nr_done < until)
		usleep(1000);
	return atomic_exchange(&w->worst_ns, 0);
}

int main(int argc, char **argv)
{
	long nr = argc == 3 ? atol(argv[2]) : 0;
	char line[128];

	if (nr < 1 || nr > WRITERS_MAX)
		errx(1, "worst DEVICE WRITERS");
	path = argv[1];
	for (long i = 0; i < nr; i++) {
		writers[i].seed = (unsigned int)i + 1;
		if (pthread_create(&writers[i].thread, NULL, write_on, &writers[i]))
			errx(1, "no threads");
	}
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t worst = 0;

		for (long i = 0; i < nr; i++) {
			uint64_t ns = take_worst(&writers[i]);

			worst = ns > worst ? ns : worst;
		}
		line[strcspn(line, "\n")] = 0;
		printf("%s %llu\n", line, (unsigned long long)(worst / 1000));
		fflush(stdout);
	}
	return 0;
}

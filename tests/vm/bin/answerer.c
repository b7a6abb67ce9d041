// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * answerer NODE FILE THREADS [hang N | lie SEED | slow US]
 *
 * Answer the requests of a tidemark-serve device from a file or a device, by so many threads
 * for each queue. hang: take the Nth request and answer nothing from there on. lie: between
 * answers send such as nobody asked for, and write into slots that are not ours at the
 * moment; each has to be refused, and none changes what the device holds. slow: wait before
 * each answer. Exit status 0 when the device is gone, 5 when it was given up, 1 for errors.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../../include/uapi/tidemark_serve.h"

#define BATCH 16

struct server {
	int fd;
	uint8_t *data;
	struct tidemark_serve_bind bind;
};

static int store;
static struct stat node;
static const char *how = "";
static unsigned long how_much;
static atomic_ulong nr_taken;
static atomic_int given_up;

static int do_zeroes(uint64_t offset, uint64_t bytes)
{
	static const uint8_t zeros[1 << 16];

	while (bytes) {
		size_t step = bytes < sizeof(zeros) ? (size_t)bytes : sizeof(zeros);

		if (pwrite(store, zeros, step, (off_t)offset) != (ssize_t)step)
			return -EIO;
		offset += step;
		bytes -= step;
	}
	return 0;
}

static int do_request(const struct server *s, const struct tidemark_serve_request *r)
{
	uint8_t *data = s->data + (size_t)r->tag * s->bind.slot_bytes;
	int error = 0;

	if (r->op == TIDEMARK_SERVE_READ)
		error = pread(store, data, r->bytes, (off_t)r->offset) == (ssize_t)r->bytes ? 0 : -EIO;
	else if (r->op == TIDEMARK_SERVE_WRITE)
		error = pwrite(store, data, r->bytes, (off_t)r->offset) == (ssize_t)r->bytes ? 0 : -EIO;
	else if (r->op == TIDEMARK_SERVE_DISCARD || r->op == TIDEMARK_SERVE_ZEROES)
		error = do_zeroes(r->offset, r->bytes);
	if (r->op == TIDEMARK_SERVE_FLUSH || r->flags & TIDEMARK_SERVE_FUA)
		error = error ? error : fdatasync(store) < 0 ? -EIO : 0;
	return error;
}

/* Returns false where the server is not bound any more. */
static bool turn(const struct server *s, struct tidemark_serve_answer *answers, uint32_t nr_answers,
		 struct tidemark_serve_request *requests, uint32_t *nr_requests)
{
	struct tidemark_serve_turn t = {
		.answers = (uintptr_t)answers, .nr_answers = nr_answers,
		.requests = (uintptr_t)requests, .nr_requests = *nr_requests, .wait_ms = 1000,
	};

	if (ioctl(s->fd, TIDEMARK_SERVE_IOC_TURN, &t) < 0) {
		if (errno == ESTALE)
			given_up = 1;
		if (errno == ESTALE || errno == ENODEV)
			return false;
		if (errno != EINTR)
			err(1, "turn");
		t.nr_requests = 0;
	}
	*nr_requests = t.nr_requests;
	return true;
}

/* No answer to anything; the kernel takes none of it. */
static void lie(const struct server *s, unsigned int *seed)
{
	struct tidemark_serve_answer answer = {
		.tag = rand_r(seed) % 2 ? (uint32_t)rand_r(seed) : s->bind.nr_tags + 1u,
		.error = rand_r(seed),
	};
	struct tidemark_serve_turn t = {.answers = (uintptr_t)&answer, .nr_answers = 1};

	if (answer.tag < s->bind.nr_tags)
		answer.tag += s->bind.nr_tags;
	if (rand_r(seed) % 4 == 0)
		t.answers = 8;
	else if (rand_r(seed) % 4 == 0)
		t.nr_answers = (uint32_t)rand_r(seed) + TIDEMARK_SERVE_TURN_MAX + 1;
	if (ioctl(s->fd, TIDEMARK_SERVE_IOC_TURN, &t) == 0)
		errx(1, "an answer was taken that answers nothing");
}

static void *serve(void *context)
{
	const struct server *s = context;
	struct tidemark_serve_request requests[BATCH];
	struct tidemark_serve_answer answers[BATCH];
	unsigned int seed = (unsigned int)how_much;
	uint32_t nr_answers = 0, nr;

	for (;;) {
		nr = BATCH;
		if (!turn(s, answers, nr_answers, requests, &nr))
			return NULL;
		nr_answers = nr;
		for (uint32_t i = 0; i < nr; i++) {
			if (atomic_fetch_add(&nr_taken, 1) >= how_much && strcmp(how, "hang") == 0)
				for (;;)
					pause();
			if (strcmp(how, "slow") == 0)
				usleep((useconds_t)how_much);
			if (strcmp(how, "lie") == 0)
				lie(s, &seed);
			answers[i].tag = requests[i].tag;
			answers[i].error = do_request(s, &requests[i]);
		}
	}
}

static void bind_queue(struct server *s, uint32_t queue)
{
	s->fd = open("/dev/" TIDEMARK_SERVE_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		err(1, "/dev/" TIDEMARK_SERVE_DEVICE_NAME);
	s->bind = (struct tidemark_serve_bind){
		.abi = TIDEMARK_SERVE_ABI_VERSION,
		.queue = queue,
		.mapped_major = major(node.st_rdev),
		.mapped_minor = minor(node.st_rdev),
	};
	if (ioctl(s->fd, TIDEMARK_SERVE_IOC_BIND, &s->bind) < 0)
		err(1, "bind");
	s->data = mmap(NULL, (size_t)s->bind.nr_tags * s->bind.slot_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED, s->fd, 0);
	if (s->data == MAP_FAILED)
		err(1, "mmap");
}

static void start(struct server *s, unsigned long nr_threads)
{
	pthread_t thread;

	for (unsigned long i = 0; i < nr_threads; i++)
		if (pthread_create(&thread, NULL, serve, s) != 0)
			errx(1, "no thread");
}

int main(int argc, char **argv)
{
	static struct server servers[TIDEMARK_SERVE_QUEUES_MAX];
	unsigned long nr_threads;

	if (argc < 4)
		errx(1, "usage: answerer NODE FILE THREADS [hang N | lie SEED | slow US]");
	if (stat(argv[1], &node) < 0 || !S_ISBLK(node.st_mode))
		errx(1, "%s: no block device", argv[1]);
	store = open(argv[2], O_RDWR | O_CLOEXEC);
	if (store < 0)
		err(1, "%s", argv[2]);
	nr_threads = strtoul(argv[3], NULL, 10);
	if (argc > 5) {
		how = argv[4];
		how_much = strtoul(argv[5], NULL, 10);
	}
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	bind_queue(&servers[0], 0);
	for (uint32_t queue = 1; queue < servers[0].bind.nr_queues; queue++)
		bind_queue(&servers[queue], queue);
	for (uint32_t queue = 0; queue < servers[0].bind.nr_queues; queue++)
		start(&servers[queue], queue == servers[0].bind.nr_queues - 1 ? nr_threads - 1 : nr_threads);
	puts("serving");
	fflush(stdout);
	serve(&servers[servers[0].bind.nr_queues - 1]);
	return given_up ? 5 : 0;
}

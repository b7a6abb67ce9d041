// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A thread is in its turn, waiting, or at work on what the turn gave it. It takes few requests
 * at a time, so that the others have something to do as well.
 */
#include "restore/server.h"
#include "agent/resident.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <uapi/tidemark_serve.h>
#include <unistd.h>

#define NODE          "/dev/" TIDEMARK_SERVE_DEVICE_NAME
#define REQUESTS_MAX  4
#define WAIT_MS       10000
#define THREADS_MAX   64

struct queue_server {
	struct server *server;
	int fd;
	uint8_t *data;
	struct tidemark_serve_bind bind;
};

struct server {
	const struct server_backend *backend;
	struct first_failure failure;
	uint32_t nr_queues;
	struct queue_server queues[TIDEMARK_SERVE_QUEUES_MAX];
};

/* ------------------------------------------------------------------------ requests */

static int do_request(const struct queue_server *queue, const struct tidemark_serve_request *r)
{
	const struct server_backend *backend = queue->server->backend;
	uint8_t *data = queue->data + (size_t)r->tag * queue->bind.slot_bytes;
	bool syncs = r->op == TIDEMARK_SERVE_FLUSH || r->flags & TIDEMARK_SERVE_FUA;
	int error = 0;

	if (r->op == TIDEMARK_SERVE_READ)
		error = backend->read(backend->context, r->offset, data, r->bytes);
	else if (r->op == TIDEMARK_SERVE_WRITE && backend->write)
		error = backend->write(backend->context, r->offset, data, r->bytes);
	else if (r->op != TIDEMARK_SERVE_FLUSH && r->op != TIDEMARK_SERVE_WRITE && backend->zero)
		error = backend->zero(backend->context, r->offset, r->bytes);
	else if (r->op != TIDEMARK_SERVE_FLUSH)
		error = -EOPNOTSUPP;
	if (error == 0 && syncs && backend->sync)
		error = backend->sync(backend->context);
	return error;
}

/* Returns how many requests came, or a negative errno. */
static int turn(const struct queue_server *queue, const struct tidemark_serve_answer *answers,
		uint32_t nr_answers, struct tidemark_serve_request *ret_requests)
{
	struct tidemark_serve_turn turn = {
		.answers = (uintptr_t)answers,
		.nr_answers = nr_answers,
		.requests = (uintptr_t)ret_requests,
		.nr_requests = REQUESTS_MAX,
		.wait_ms = WAIT_MS,
	};

	if (ioctl(queue->fd, TIDEMARK_SERVE_IOC_TURN, &turn) == 0)
		return (int)turn.nr_requests;
	return errno == EINTR ? 0 : -errno;
}

static int serve(const struct queue_server *queue)
{
	struct tidemark_serve_request requests[REQUESTS_MAX];
	struct tidemark_serve_answer answers[REQUESTS_MAX];
	int nr = 0;

	while ((nr = turn(queue, answers, (uint32_t)nr, requests)) >= 0)
		for (int i = 0; i < nr; i++)
			answers[i] = (struct tidemark_serve_answer){
				.tag = requests[i].tag,
				.error = do_request(queue, &requests[i]),
			};
	return nr;
}

static void *thread(void *context)
{
	struct queue_server *queue = context;
	int r = serve(queue);

	if (r != -ENODEV)
		first_failure_note(&queue->server->failure,
				   failure_set(r, "serving: %s", strerror(-r)));
	return NULL;
}

int server_run(struct server *server, unsigned int nr_threads)
{
	struct threads *threads[TIDEMARK_SERVE_QUEUES_MAX] = {NULL};
	int r = 0;

	first_failure_init(&server->failure);
	for (uint32_t i = 0; r == 0 && i < server->nr_queues; i++)
		r = threads_start(nr_threads, THREADS_MAX, thread, &server->queues[i], &threads[i]);
	for (uint32_t i = 0; i < server->nr_queues; i++)
		threads_join(threads[i]);
	return r < 0 ? failure_set(r, "cannot start to serve: %s", strerror(-r)) :
		       first_failure_get(&server->failure);
}

/* --------------------------------------------------------------------- open, close */

static int bind_failure(int error)
{
	if (error == -ENXIO)
		return failure_set(error, "the device is gone");
	if (error == -EBUSY)
		return failure_set(error, "somebody else serves the device");
	if (error == -EPROTONOSUPPORT)
		return failure_set(error, "the module and this program are of different versions; "
				   "install one of them anew");
	return failure_set(error, NODE ": %s", strerror(-error));
}

static int open_queue(struct server *server, dev_t mapped, uint32_t nth)
{
	struct queue_server *queue = &server->queues[nth];
	size_t bytes;
	void *data;

	queue->server = server;
	queue->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (queue->fd < 0)
		return failure_set(-errno, NODE ": %s", strerror(errno));
	queue->bind = (struct tidemark_serve_bind){
		.abi = TIDEMARK_SERVE_ABI_VERSION,
		.queue = nth,
		.mapped_major = major(mapped),
		.mapped_minor = minor(mapped),
	};
	if (ioctl(queue->fd, TIDEMARK_SERVE_IOC_BIND, &queue->bind) < 0)
		return bind_failure(-errno);
	bytes = (size_t)queue->bind.nr_tags * queue->bind.slot_bytes;
	data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd, 0);
	if (data == MAP_FAILED)
		return failure_set(-errno, NODE ": cannot be mapped: %s", strerror(errno));
	queue->data = data;
	return 0;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	for (uint32_t i = 0; i < TIDEMARK_SERVE_QUEUES_MAX; i++) {
		struct queue_server *queue = &server->queues[i];

		if (queue->data)
			munmap(queue->data, (size_t)queue->bind.nr_tags * queue->bind.slot_bytes);
		if (queue->fd >= 0)
			close(queue->fd);
	}
	free(server);
}

int server_open(dev_t mapped, const struct server_backend *backend, struct server **ret_server)
{
	struct server *server = calloc(1, sizeof(*server));
	int r = 0;

	if (!server)
		return failure_set(-ENOMEM, "serving: out of memory");
	for (uint32_t i = 0; i < TIDEMARK_SERVE_QUEUES_MAX; i++)
		server->queues[i].fd = -1;
	server->backend = backend;
	server->nr_queues = 1;
	/* What we wait for must not wait for the device we serve. */
	resident_enter();
	for (uint32_t i = 0; r == 0 && i < server->nr_queues; i++) {
		r = open_queue(server, mapped, i);
		server->nr_queues = server->queues[0].bind.nr_queues;
	}
	if (r < 0)
		server_close(server);
	else
		*ret_server = server;
	return r;
}

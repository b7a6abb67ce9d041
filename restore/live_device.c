// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   caller            keeper                       server
 *   fork        --->  open, unlock, find
 *                     scratch, device, table
 *                     fork                   --->  image
 *                     resume                       bind, as soon as the device is live
 *                                            <---  ready
 *   report      <---  is there                     answers
 *                     waits for its end; forks another one where the device is still there
 *
 * The keeper has the repository unlocked and no thread of it, so that a server can be forked at
 * any time. To resume a device waits for udev, which reads the device: so not in the server.
 */
#include "restore/live_device.h"
#include "agent/kernel_module.h"
#include "agent/mapper.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "restore/scratch.h"
#include "restore/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <uapi/tidemark_serve.h>
#include <unistd.h>

#define UUID_PREFIX    "TIDEMARK-POINT-"
#define NR_QUEUES      2
#define NR_THREADS     4 /* of each */
#define CACHE_BYTES    (128u << 20)
#define NAP_US         10000
#define RESTART_US     100000
#define BIND_TRIES     1000
#define REMOVE_TRIES   100

struct report {
	int error;
	char text[1024];
	struct live_device device;
};

struct keeper {
	const struct live_device_request *request;
	int report_fd; /* to the caller */
	struct tmc_repo *repo;
	struct scratch *scratch;
	struct live_device device;
};

/* The other end writes all of it, or dies. */
static int read_whole(int fd, void *data, size_t bytes)
{
	uint8_t *to = data;

	while (bytes) {
		ssize_t done = read(fd, to, bytes);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -EIO;
		to += done;
		bytes -= (size_t)done;
	}
	return 0;
}

/* ------------------------------------------------------------------------ server */

/* The keeper resumes it meanwhile. */
static int bind_device(const struct keeper *keeper, const struct server_backend *backend,
		       struct server **ret_server)
{
	int r = -ENXIO;

	for (int i = 0; r == -ENXIO && i < BIND_TRIES; i++) {
		CLEANUP_FREE char *params = NULL;
		uint64_t sectors;
		dev_t device;

		if (i)
			usleep(NAP_US);
		r = mapper_query(MAPPER_TABLE, keeper->device.name, TIDEMARK_SERVE_TARGET_NAME,
				 &device, &sectors, &params);
		if (r == 0)
			r = server_open(device, backend, ret_server);
		else
			r = failure_set(-ENXIO, "the device is gone");
	}
	return r;
}

/* Who wants to know may be gone. */
static void tell(int fd, const struct report *report)
{
	ssize_t done = write(fd, report, sizeof(*report));

	(void)done;
	close(fd);
}

/* Nobody's terminal, directory or standard output. */
static void stand_alone(void)
{
	CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (chdir("/") < 0 || null < 0)
		return;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
}

static int serve(struct keeper *keeper, int ready_fd)
{
	struct server_backend backend = scratch_backend(keeper->scratch);
	struct report report = {0};
	struct tmc_image *image = NULL;
	struct server *server = NULL;
	int r = tmc_image_open(keeper->repo, &keeper->device.point, CACHE_BYTES, &image);

	if (r < 0)
		failure_set(r, "%s", tmc_error_text());
	if (r == 0) {
		scratch_set_image(keeper->scratch, image);
		r = bind_device(keeper, &backend, &server);
	}
	report.error = r;
	snprintf(report.text, sizeof(report.text), "%s", r < 0 ? failure_text() : "");
	tell(ready_fd, &report);
	stand_alone();
	if (r == 0)
		r = server_run(server, NR_THREADS);
	server_close(server);
	tmc_image_close(image);
	tmc_repo_close(keeper->repo);
	return r;
}

/* ret_ready_fd: what it reports, once. */
static int start_server(struct keeper *keeper, pid_t *ret_pid, int *ret_ready_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return failure_set(-errno, "serving: %s", strerror(errno));
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(fds[0]);
		close(keeper->report_fd);
		_exit(serve(keeper, fds[1]) < 0);
	}
	close(fds[1]);
	*ret_ready_fd = fds[0];
	if (*ret_pid > 0)
		return 0;
	close(fds[0]);
	return failure_set(-EAGAIN, "serving: there can be no other process");
}

/* ------------------------------------------------------------------------ keeper */

static int open_point(struct keeper *keeper)
{
	const struct live_device_request *request = keeper->request;
	int r = tmc_repo_open(request->repository, &keeper->repo);

	if (r == 0)
		r = tmc_point_find(keeper->repo, request->point, NULL, &keeper->device.point);
	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

static int make_device(struct keeper *keeper)
{
	const char *name = keeper->device.name;
	uint64_t sectors = keeper->device.point.volume.volume_bytes / 512;
	char params[64], uuid[128], digits[TMC_ID_TEXT];
	int r;

	tmc_id_format(&keeper->device.point.id, digits);
	snprintf(keeper->device.name, sizeof(keeper->device.name), "tidemark-point-%.8s-%d", digits,
		 (int)getpid());
	snprintf(uuid, sizeof(uuid), UUID_PREFIX "%s-%d", digits, (int)getpid());
	snprintf(params, sizeof(params), "4 queues %d discard zeroes", NR_QUEUES);
	if (!sectors)
		return failure_set(-EINVAL, "restore point %.12s is of a volume that is smaller than "
				   "a sector", digits);
	r = mapper_create(name, uuid);
	if (r < 0)
		return failure_set(r, "%s: cannot be made: %s", name, strerror(-r));
	r = mapper_load(name, sectors, TIDEMARK_SERVE_TARGET_NAME, params);
	if (r < 0) {
		mapper_remove(name);
		return failure_set(r, "%s: the module takes no table for it: %s; is it older than this "
				   "tidemark?", name, strerror(-r));
	}
	return 0;
}

/* A passphrase is asked for at the caller's terminal, whose signals are not ours from then on. */
static int prepare(struct keeper *keeper)
{
	int r = open_point(keeper);

	setsid();
	if (r == 0)
		r = scratch_open(keeper->request->scratch,
				 keeper->device.point.volume.volume_bytes, &keeper->scratch);
	return r == 0 ? make_device(keeper) : r;
}

static int hear(int ready_fd)
{
	struct report report;
	int r = read_whole(ready_fd, &report, sizeof(report));

	close(ready_fd);
	if (r < 0)
		return failure_set(-EIO, "the process that serves the device has died");
	return report.error < 0 ? failure_set(report.error, "%s", report.text) : 0;
}

static int go_live(struct keeper *keeper, pid_t *ret_server)
{
	int ready_fd = -1;
	int r = start_server(keeper, ret_server, &ready_fd);
	int resumed = r == 0 ? mapper_resume(keeper->device.name) : 0;

	if (r == 0)
		r = hear(ready_fd);
	if (r == 0 && resumed < 0)
		r = failure_set(resumed, "%s: cannot be resumed: %s", keeper->device.name,
				strerror(-resumed));
	if (r < 0)
		mapper_remove(keeper->device.name);
	return r;
}

static bool device_is_there(const struct keeper *keeper)
{
	CLEANUP_FREE char *params = NULL;
	uint64_t sectors;
	dev_t device;

	return mapper_query(MAPPER_TABLE, keeper->device.name, TIDEMARK_SERVE_TARGET_NAME, &device,
			    &sectors, &params) == 0;
}

/* One that cannot even begin is tried again, not too often. */
static void keep_served(struct keeper *keeper, pid_t server)
{
	int ready_fd;

	keeper->report_fd = -1;
	for (;;) {
		while (server > 0 && waitpid(server, NULL, 0) < 0 && errno == EINTR)
			;
		usleep(RESTART_US);
		if (!device_is_there(keeper))
			return;
		if (start_server(keeper, &server, &ready_fd) == 0)
			close(ready_fd);
		else
			server = -1;
	}
}

static void keep(struct keeper *keeper)
{
	struct report report = {0};
	pid_t server = -1;
	int r = prepare(keeper);

	signal(SIGPIPE, SIG_IGN);
	if (r == 0)
		r = go_live(keeper, &server);
	report.error = r;
	report.device = keeper->device;
	snprintf(report.text, sizeof(report.text), "%s", r < 0 ? failure_text() : "");
	tell(keeper->report_fd, &report);
	stand_alone();
	if (r == 0)
		keep_served(keeper, server);
	scratch_close(keeper->scratch);
	tmc_repo_close(keeper->repo);
}

/* ------------------------------------------------------------------------ caller */

static int start_keeper(const struct live_device_request *request, int *ret_report_fd)
{
	struct keeper keeper = {.request = request};
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return failure_set(-errno, "serving: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		keeper.report_fd = fds[1];
		keep(&keeper);
		_exit(0);
	}
	close(fds[1]);
	*ret_report_fd = fds[0];
	if (pid > 0)
		return 0;
	close(fds[0]);
	return failure_set(-EAGAIN, "serving: there can be no other process");
}

int live_device_start(const struct live_device_request *request, struct live_device *ret_device)
{
	CLEANUP_CLOSE int report_fd = -1;
	struct report report;
	int r = kernel_module_load();

	if (r == 0)
		r = start_keeper(request, &report_fd);
	if (r < 0)
		return r;
	if (read_whole(report_fd, &report, sizeof(report)) < 0)
		return failure_set(-EIO, "the process that keeps the device has died");
	if (report.error < 0)
		return failure_set(report.error, "%s", report.text);
	*ret_device = report.device;
	return 0;
}

int live_device_find(dev_t device, char ret_name[LIVE_DEVICE_NAME_BYTES])
{
	CLEANUP_FREE struct mapper_name *names = NULL;
	size_t nr = 0;
	int r = mapper_is_present() ? mapper_list(&names, &nr) : 0;

	for (size_t i = 0; r == 0 && i < nr; i++) {
		CLEANUP_FREE char *params = NULL;
		uint64_t sectors;
		dev_t found;

		if (strlen(names[i].text) >= LIVE_DEVICE_NAME_BYTES ||
		    mapper_query(MAPPER_TABLE, names[i].text, TIDEMARK_SERVE_TARGET_NAME, &found,
				 &sectors, &params) < 0 || found != device)
			continue;
		strcpy(ret_name, names[i].text);
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

/* udev may look at it just now. */
int live_device_end(const char *name)
{
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < REMOVE_TRIES; i++) {
		if (i)
			usleep(10 * NAP_US);
		r = mapper_remove(name);
	}
	return r < 0 ? failure_set(r, "%s: cannot be removed: %s", name, strerror(-r)) : 0;
}

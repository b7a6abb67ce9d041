// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tidemarkd tells its service manager of descriptors, which a socket stands in for here,
 * and what it gets back from there. A pipe's end is what is kept.
 */
#include "daemon/fd_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST_FD 3 /* of those that are passed */

struct scene {
	char directory[64], path[96];
	int socket;
	int pipe[2];
	struct fd_store store;
	struct channel_store channels;
	char removed[256]; /* what the service manager was told of it */
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(scene->directory, "/tmp/tidemark-unit.XXXXXX");
	if (!mkdtemp(scene->directory))
		return -1;
	snprintf(scene->path, sizeof(scene->path), "%s/notify", scene->directory);
	strcpy(address.sun_path, scene->path);
	scene->socket = fcntl(socket(AF_UNIX, SOCK_DGRAM, 0), F_DUPFD, 20);
	if (bind(scene->socket, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    pipe(scene->pipe) < 0)
		return -1;
	scene->pipe[0] = fcntl(scene->pipe[0], F_DUPFD, 20);
	scene->pipe[1] = fcntl(scene->pipe[1], F_DUPFD, 20);
	for (int fd = FIRST_FD; fd < 20; fd++)
		close(fd);
	setenv("NOTIFY_SOCKET", scene->path, 1);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	fd_store_exit(&scene->store);
	unsetenv("NOTIFY_SOCKET");
	close(scene->socket);
	unlink(scene->path);
	rmdir(scene->directory);
	free(scene);
	return 0;
}

static void begin(struct scene *scene)
{
	fd_store_init(&scene->store);
	scene->channels = fd_store_channels(&scene->store);
}

static void put(struct scene *scene, const char *name)
{
	scene->channels.put(scene->channels.context, name, scene->pipe[0]);
}

static int take(struct scene *scene, const char *name)
{
	return scene->channels.take(scene->channels.context, name);
}

/* The next message, "": none; the descriptor that came with it, -1: none. */
static int receive(const struct scene *scene, char text[256])
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = text, .iov_len = 255};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(scene->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	text[got < 0 ? 0 : got] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); got >= 0 && c; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static bool is_same_file(int a, int b)
{
	char byte = 0;

	/* What is written to the pipe comes out of either. */
	return write(b, "x", 1) == 1 && read(a, &byte, 1) == 1 && byte == 'x';
}

/* ------------------------------------------------------------------------- tests */

static void what_is_put_is_sent(void **state)
{
	struct scene *scene = *state;
	char text[256];
	int fd;

	begin(scene);
	put(scene, "data");
	fd = receive(scene, text);
	assert_string_equal(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=data");
	assert_true(fd >= 0 && is_same_file(fd, scene->pipe[1]));
	close(fd);
}

static void what_is_put_can_be_taken_once(void **state)
{
	struct scene *scene = *state;
	int fd;

	begin(scene);
	put(scene, "data");
	put(scene, "data");
	assert_int_equal(take(scene, "other"), -1);
	fd = take(scene, "data");
	assert_true(fd >= 0 && fd != scene->pipe[0] && is_same_file(fd, scene->pipe[1]));
	assert_int_equal(take(scene, "data"), -1);
	close(fd);
}

/* As the service manager, which reads what it is sent, and closes what came with it. */
static void *serve(void *argument)
{
	struct scene *scene = argument;
	char text[256] = "";

	while (!strstr(text, "BARRIER")) {
		int fd = receive(scene, text);

		if (strstr(text, "FDSTOREREMOVE"))
			strcpy(scene->removed, text);
		if (fd >= 0)
			close(fd);
		else
			usleep(1000);
	}
	return NULL;
}

static void what_is_dropped_is_gone_from_both(void **state)
{
	struct scene *scene = *state;
	pthread_t manager;
	char text[256];

	begin(scene);
	put(scene, "data");
	close(receive(scene, text));
	pthread_create(&manager, NULL, serve, scene);
	scene->channels.drop(scene->channels.context, "data");
	pthread_join(manager, NULL);
	assert_string_equal(scene->removed, "FDSTOREREMOVE=1\nFDNAME=data");
	assert_int_equal(take(scene, "data"), -1);
}

static void a_name_that_cannot_be_kept_is_not(void **state)
{
	struct scene *scene = *state;
	char text[256];

	begin(scene);
	put(scene, "a:b");
	put(scene, "two\nlines");
	put(scene, "");
	assert_int_equal(receive(scene, text), -1);
	assert_string_equal(text, "");
	assert_int_equal(take(scene, "a:b"), -1);
}

static void pass(struct scene *scene, const char *nr, const char *names)
{
	char pid[32];

	for (int i = 0; i < atoi(nr); i++)
		assert_int_equal(dup2(scene->pipe[0], FIRST_FD + i), FIRST_FD + i);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", nr, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	begin(scene);
}

static void what_was_kept_comes_back_by_its_name(void **state)
{
	struct scene *scene = *state;
	int fd;

	pass(scene, "2", "one:two");
	fd = take(scene, "two");
	assert_int_equal(fd, FIRST_FD + 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(is_same_file(fd, scene->pipe[1]));
	assert_int_equal(take(scene, "one"), FIRST_FD);
	assert_null(getenv("LISTEN_FDS"));
	close(FIRST_FD);
	close(FIRST_FD + 1);
}

static bool is_two(void *context, const char *name)
{
	return strcmp(name, "two") == 0;
}

static void what_nobody_wants_is_given_up(void **state)
{
	struct scene *scene = *state;

	unsetenv("NOTIFY_SOCKET");
	pass(scene, "3", "one:two:three");
	fd_store_sweep(&scene->store, is_two, NULL);
	assert_int_equal(fcntl(FIRST_FD, F_GETFD), -1);
	assert_int_equal(fcntl(FIRST_FD + 2, F_GETFD), -1);
	assert_int_equal(take(scene, "two"), FIRST_FD + 1);
	close(FIRST_FD + 1);
}

static void without_a_service_manager_it_is_kept_here(void **state)
{
	struct scene *scene = *state;
	int fd;

	unsetenv("NOTIFY_SOCKET");
	begin(scene);
	put(scene, "data");
	fd = take(scene, "data");
	assert_true(fd >= 0 && is_same_file(fd, scene->pipe[1]));
	put(scene, "data");
	scene->channels.drop(scene->channels.context, "data");
	assert_int_equal(take(scene, "data"), -1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_sent),
		TEST(what_is_put_can_be_taken_once),
		TEST(what_is_dropped_is_gone_from_both),
		TEST(a_name_that_cannot_be_kept_is_not),
		TEST(what_was_kept_comes_back_by_its_name),
		TEST(what_nobody_wants_is_given_up),
		TEST(without_a_service_manager_it_is_kept_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

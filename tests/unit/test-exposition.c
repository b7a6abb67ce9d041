// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The ways out of the metrics: clients of all kinds at the HTTP endpoint, which is driven as
 * the daemon's loop does it, and the file.
 */
#include "repo_fixture.h"

#include "common/clock_ns.h"
#include "common/failure.h"
#include "daemon/exposition.h"
#include "daemon/metrics_file.h"
#include "daemon/metrics_http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#define PATIENCE_NS 20000000000ull /* of a test that fails */
#define NR_CLIENTS  100u           /* more than are served at once */
#define ANY_PORT    "127.0.0.1:0"

struct scene {
	struct fixture *fixture;
	struct exposition exposition;
	unsigned int nr_renders;
	bool fails; /* to render */
};

static char *render(void *context)
{
	struct scene *scene = context;
	char *text;

	if (scene->fails || asprintf(&text, "render %u\n", ++scene->nr_renders) < 0)
		return NULL;
	return text;
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	scene->exposition.render = render;
	scene->exposition.context = scene;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	exposition_end(&scene->exposition);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static void set(struct scene *scene, const char *file, const char *address)
{
	struct config config = {.metrics_file = (char *)file, .metrics_listen = (char *)address};

	exposition_set(&scene->exposition, &config);
}

/* ------------------------------------------------------------------------- HTTP */

static int connect_to(struct scene *scene)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
		.sin_port = htons(metrics_http_port(scene->exposition.http)),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* As the daemon's loop; it never waits for a client. */
static void drive(struct scene *scene)
{
	struct pollfd fd = {.fd = exposition_fd(&scene->exposition), .events = POLLIN};
	int timeout_ms = exposition_timeout_ms(&scene->exposition);

	poll(&fd, 1, timeout_ms < 0 || timeout_ms > 5 ? 5 : timeout_ms);
	exposition_run(&scene->exposition);
}

/* All until the server hangs up. */
static void read_answer(struct scene *scene, int fd, char *ret_answer, size_t bytes)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	size_t used = 0;
	ssize_t got = -1;

	while (got != 0 && clock_ns(CLOCK_MONOTONIC) < end_ns) {
		drive(scene);
		got = recv(fd, ret_answer + used, bytes - used - 1, MSG_DONTWAIT);
		if (got < 0 && errno == ECONNRESET)
			break;
		used += got > 0 ? (size_t)got : 0;
	}
	ret_answer[used] = '\0';
	close(fd);
}

static void is_answered(struct scene *scene, const char *request, const char *status,
			const char *contains)
{
	char answer[4096];
	int fd = connect_to(scene);

	send_text(fd, request);
	read_answer(scene, fd, answer, sizeof(answer));
	if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 9, status, strlen(status)) != 0 ||
	    !strstr(answer, contains))
		fail_msg("to \"%.60s\": \"%s\", not %s and \"%s\"", request, answer, status,
			 contains);
}

#define CLOSE "Host: h\r\nConnection: close\r\n\r\n"

static void metrics_are_made_anew_for_each_request(void **state)
{
	struct scene *scene = *state;

	set(scene, NULL, ANY_PORT);
	assert_non_null(scene->exposition.http);
	is_answered(scene, "GET /metrics HTTP/1.1\r\n" CLOSE, "200", "\r\n\r\nrender 1\n");
	is_answered(scene, "GET /metrics HTTP/1.1\r\n" CLOSE, "200", "\r\n\r\nrender 2\n");
	is_answered(scene, "GET /metrics?name=x HTTP/1.1\r\n" CLOSE, "200", "\r\n\r\nrender 3\n");
	is_answered(scene, "GET /metrics HTTP/1.0\r\n\r\n", "200",
		    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
}

static void a_connection_has_one_request(void **state)
{
	struct scene *scene = *state;
	char answer[4096];
	int fd;

	set(scene, NULL, ANY_PORT);
	fd = connect_to(scene);
	send_text(fd, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\nGET /metrics HTTP/1.1\r\n" CLOSE);
	read_answer(scene, fd, answer, sizeof(answer));
	assert_non_null(strstr(answer, "Connection: close\r\n"));
	assert_non_null(strstr(answer, "render 1\n"));
	assert_int_equal(scene->nr_renders, 1);
}

static void nothing_else_is_there(void **state)
{
	static const char *const paths[] = {
		"/", "/metrics/", "/metric", "/metricsx", "//metrics", "/../metrics", "*",
		"/%6detrics/x", "/etc/passwd",
	};
	struct scene *scene = *state;
	char request[128];

	set(scene, NULL, ANY_PORT);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" CLOSE, paths[i]);
		is_answered(scene, request, "404", "only /metrics is here");
	}
	assert_int_equal(scene->nr_renders, 0);
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = {"PUT", "DELETE", "OPTIONS", "PATCH", "MAKE"};
	struct scene *scene = *state;
	char request[128];

	set(scene, NULL, ANY_PORT);
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		snprintf(request, sizeof(request), "%s /metrics HTTP/1.1\r\n" CLOSE, methods[i]);
		is_answered(scene, request, "405", "Allow: GET, HEAD\r\n");
	}
	is_answered(scene, "POST /metrics HTTP/1.1\r\nContent-Length: 100000000\r\n" CLOSE, "405",
		    "Allow: GET, HEAD\r\n");
	assert_int_equal(scene->nr_renders, 0);
	is_answered(scene, "HEAD /metrics HTTP/1.1\r\n" CLOSE, "200", "Content-Length: 9\r\n");
}

static void what_cannot_be_rendered_is_an_error(void **state)
{
	struct scene *scene = *state;

	set(scene, NULL, ANY_PORT);
	scene->fails = true;
	is_answered(scene, "GET /metrics HTTP/1.1\r\n" CLOSE, "500", "out of memory");
}

/* Whatever comes, the next one is served. */
static void garbage_harms_nobody(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n", "\x16\x03\x01\x02\x01\x01",
		"GET /metrics HTTP/9.9\r\n\r\n", "status\n",
		"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	struct scene *scene = *state;
	char huge[32768], answer[4096];

	set(scene, NULL, ANY_PORT);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
		int fd = connect_to(scene);

		send_text(fd, garbage[i]);
		shutdown(fd, SHUT_WR);
		read_answer(scene, fd, answer, sizeof(answer));
	}
	memset(huge, 'a', sizeof(huge));
	memcpy(huge, "GET /metrics HTTP/1.1\r\nX: ", 26);
	memcpy(huge + sizeof(huge) - 5, "\r\n\r\n", 5);
	is_answered(scene, huge, "4", "");
	is_answered(scene, "GET /metrics HTTP/1.1\r\n" CLOSE, "200", "render");
}

static void many_are_served_one_after_the_other(void **state)
{
	struct scene *scene = *state;
	int fds[NR_CLIENTS];
	char answer[4096];

	set(scene, NULL, ANY_PORT);
	for (unsigned int i = 0; i < NR_CLIENTS; i++) {
		fds[i] = connect_to(scene);
		send_text(fds[i], "GET /metrics HTTP/1.1\r\n" CLOSE);
	}
	for (unsigned int i = 0; i < NR_CLIENTS; i++) {
		read_answer(scene, fds[i], answer, sizeof(answer));
		assert_non_null(strstr(answer, "render"));
	}
	assert_int_equal(scene->nr_renders, NR_CLIENTS);
}

static void one_who_says_nothing_holds_nobody_up(void **state)
{
	struct scene *scene = *state;
	char byte;
	int silent, half;

	set(scene, NULL, ANY_PORT);
	silent = connect_to(scene);
	half = connect_to(scene);
	send_text(half, "GET /met");
	for (unsigned int i = 0; i < 3; i++)
		is_answered(scene, "GET /metrics HTTP/1.1\r\n" CLOSE, "200", "render");
	assert_int_equal(recv(silent, &byte, 1, MSG_DONTWAIT), -1);
	/* And is not waited for for ever. */
	assert_in_range(exposition_timeout_ms(&scene->exposition), 0, 60000);
	close(silent);
	send_text(half, "rics HTTP/1.1\r\n" CLOSE);
	for (unsigned int i = 0; i < 1000 && recv(half, &byte, 1, MSG_DONTWAIT) < 0; i++)
		drive(scene);
	assert_int_equal(byte, 'H');
	close(half);
}

/* It is tried again, without anything else being the worse for it. */
static void an_address_that_is_taken_costs_nothing_else(void **state)
{
	struct scene *scene = *state;
	struct exposition other = {.render = render, .context = scene};
	struct config config = {0};
	char address[32], file[128];

	set(scene, NULL, ANY_PORT);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 metrics_http_port(scene->exposition.http));
	snprintf(file, sizeof(file), "%s/t.prom", scene->fixture->directory);
	config.metrics_listen = address;
	config.metrics_file = file;
	exposition_set(&other, &config);
	assert_null(other.http);
	assert_int_equal(access(file, F_OK), 0);
	assert_string_equal(other.http_trouble, "Address already in use");
	assert_true(exposition_timeout_ms(&other) >= 0);
	set(scene, NULL, NULL);
	other.next_ns = 0;
	exposition_run(&other);
	assert_non_null(other.http);
	assert_string_equal(other.http_trouble, "");
	exposition_end(&other);
}

/* ------------------------------------------------------------------------- file */

static void has_content(const char *path, const char *text)
{
	char content[64] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_non_null(fgets(content, sizeof(content), file));
	fclose(file);
	assert_string_equal(content, text);
}

static void the_file_is_written_anew_and_removed(void **state)
{
	struct scene *scene = *state;
	char file[128], other[128];
	struct stat st;

	snprintf(file, sizeof(file), "%s/t.prom", scene->fixture->directory);
	snprintf(other, sizeof(other), "%s/u.prom", scene->fixture->directory);
	set(scene, file, NULL);
	has_content(file, "render 1\n");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	exposition_run(&scene->exposition);
	has_content(file, "render 1\n"); /* it is not time yet */
	assert_in_range(exposition_timeout_ms(&scene->exposition), 0, 15001);
	scene->exposition.next_ns = 0;
	exposition_run(&scene->exposition);
	has_content(file, "render 2\n");
	set(scene, other, NULL);
	assert_int_equal(access(file, F_OK), -1);
	has_content(other, "render 3\n");
	exposition_end(&scene->exposition);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(rmdir(scene->fixture->directory), 0);
}

/* Who has the old one open reads it to its end. */
static void the_file_is_replaced_as_a_whole(void **state)
{
	struct scene *scene = *state;
	char path[128], draft[160], content[64] = "";
	FILE *before;

	snprintf(path, sizeof(path), "%s/t.prom", scene->fixture->directory);
	assert_int_equal(metrics_file_replace(path, "first\n"), 0);
	before = fopen(path, "r");
	assert_int_equal(metrics_file_replace(path, "second\n"), 0);
	assert_non_null(fgets(content, sizeof(content), before));
	assert_string_equal(content, "first\n");
	fclose(before);
	has_content(path, "second\n");
	snprintf(draft, sizeof(draft), "%s.new", path);
	assert_int_equal(access(draft, F_OK), -1);
	/* And what cannot be written leaves it as it is. */
	assert_int_equal(mkdir(draft, 0700), 0);
	assert_int_equal(metrics_file_replace(path, "third\n"), -EEXIST);
	assert_non_null(strstr(failure_text(), draft));
	has_content(path, "second\n");
}

static void a_draft_s_name_is_not_followed(void **state)
{
	struct scene *scene = *state;
	char path[128], draft[160], victim[128];

	snprintf(path, sizeof(path), "%s/t.prom", scene->fixture->directory);
	snprintf(draft, sizeof(draft), "%s.new", path);
	snprintf(victim, sizeof(victim), "%s/victim", scene->fixture->directory);
	write_file(victim, "precious\n", 9);
	assert_int_equal(symlink(victim, draft), 0);
	assert_int_equal(metrics_file_replace(path, "text\n"), 0);
	has_content(victim, "precious\n");
	has_content(path, "text\n");
}

static void a_file_that_cannot_be_written_is_tried_again(void **state)
{
	struct scene *scene = *state;
	char directory[128], file[160];

	snprintf(directory, sizeof(directory), "%s/later", scene->fixture->directory);
	snprintf(file, sizeof(file), "%s/t.prom", directory);
	set(scene, file, NULL);
	assert_non_null(strstr(scene->exposition.file_trouble, "No such file"));
	assert_int_equal(mkdir(directory, 0700), 0);
	scene->exposition.next_ns = 0;
	exposition_run(&scene->exposition);
	assert_string_equal(scene->exposition.file_trouble, "");
	has_content(file, "render 2\n");
	/* What was there stays where it cannot be made anew. */
	scene->fails = true;
	scene->exposition.next_ns = 0;
	exposition_run(&scene->exposition);
	has_content(file, "render 2\n");
}

static void without_either_there_is_nothing_to_do(void **state)
{
	struct scene *scene = *state;

	set(scene, NULL, NULL);
	assert_int_equal(exposition_fd(&scene->exposition), -1);
	assert_int_equal(exposition_timeout_ms(&scene->exposition), -1);
	assert_int_equal(scene->nr_renders, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(metrics_are_made_anew_for_each_request),
		TEST(a_connection_has_one_request),
		TEST(nothing_else_is_there),
		TEST(other_methods_are_refused),
		TEST(what_cannot_be_rendered_is_an_error),
		TEST(garbage_harms_nobody),
		TEST(many_are_served_one_after_the_other),
		TEST(one_who_says_nothing_holds_nobody_up),
		TEST(an_address_that_is_taken_costs_nothing_else),
		TEST(the_file_is_written_anew_and_removed),
		TEST(the_file_is_replaced_as_a_whole),
		TEST(a_draft_s_name_is_not_followed),
		TEST(a_file_that_cannot_be_written_is_tried_again),
		TEST(without_either_there_is_nothing_to_do),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

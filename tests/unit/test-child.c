// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Programs that are waited for: what is heard of them, and that each is got rid of.
 */
#include "repo_fixture.h"

#include "agent/child.h"
#include "common/failure.h"

#include <signal.h>
#include <sys/eventfd.h>

struct heard {
	int stop_fd;
	char text[1 << 16]; /* "1:..." for each line */
};

static void hear(void *context, int fd, const char *line)
{
	struct heard *heard = context;
	size_t used = strlen(heard->text);
	uint64_t one = 1;

	snprintf(heard->text + used, sizeof(heard->text) - used, "%d:%s\n", fd, line);
	if (heard->stop_fd >= 0 && strcmp(line, "stop me") == 0)
		assert_int_equal(write(heard->stop_fd, &one, sizeof(one)), sizeof(one));
}

/* A script of the shell. */
static int run(struct heard *heard, const char *script, uint64_t limit_ns)
{
	char *const argv[] = {"sh", "-c", (char *)script, NULL};
	struct child_request request = {
		.argv = argv, .limit_ns = limit_ns, .stop_fd = heard->stop_fd, .hear = hear,
		.context = heard,
	};

	heard->text[0] = '\0';
	return child_run(&request);
}

static int set_up(void **state)
{
	struct heard *heard = calloc(1, sizeof(*heard));

	heard->stop_fd = -1;
	*state = heard;
	return 0;
}

static int tear_down(void **state)
{
	struct heard *heard = *state;

	if (heard->stop_fd >= 0)
		close(heard->stop_fd);
	free(heard);
	return 0;
}

static void lines_are_heard_and_the_status_is_told(void **state)
{
	struct heard *heard = *state;

	assert_int_equal(run(heard, "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three; exit 7", 0), 7);
	assert_string_equal(heard->text, "1:one\n2:two\n1:three\n");
	assert_int_equal(run(heard, "kill -SEGV $$", 0), 128 + SIGSEGV);
	assert_int_equal(run(heard, "exit 0", 0), 0);
	assert_string_equal(heard->text, "");
}

static void lines_have_a_bound(void **state)
{
	struct heard *heard = *state;

	assert_int_equal(run(heard, "head -c 20000 /dev/zero | tr '\\0' x; echo; echo end", 0), 0);
	assert_int_equal(strlen(heard->text), 20000 + 3 * strlen("1:\n") + strlen("end"));
	assert_int_equal(strcspn(heard->text, "\n"), CHILD_LINE_BYTES - 1 + 2);
	assert_string_equal(heard->text + strlen(heard->text) - 6, "1:end\n");
}

static void nothing_of_ours_is_inherited(void **state)
{
	struct heard *heard = *state;
	int fd = dup(0), nr_fds, leader, group;
	unsigned long long blocked, ignored;
	char input[32];
	sigset_t set, saved;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &saved);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run(heard, "ls -l /proc/self/fd | grep -c ' -> '; readlink /proc/self/fd/0;"
			     "grep SigBlk /proc/self/status; grep SigIgn /proc/self/status;"
			     "echo $$; ps -o pgid= -p $$ | tr -d ' '", 0), 0);
	signal(SIGPIPE, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	close(fd);
	assert_int_equal(sscanf(heard->text, "1:%d 1:%31s 1:SigBlk: %llx 1:SigIgn: %llx 1:%d 1:%d",
				&nr_fds, input, &blocked, &ignored, &leader, &group), 6);
	assert_int_equal(nr_fds, 4); /* ls has its directory open */
	assert_string_equal(input, "/dev/null");
	assert_true(blocked == 0);
	assert_true((ignored & 0x7fffffff) == 0); /* above are those of the C library */
	assert_int_equal(leader, group);
}

static void one_that_overruns_is_ended(void **state)
{
	struct heard *heard = *state;

	assert_int_equal(run(heard, "echo waits; sleep 1000 & wait", 300000000), -ETIMEDOUT);
	assert_string_equal(heard->text, "1:waits\n");
	assert_non_null(strstr(failure_text(), "sh: took longer than"));
}

static void one_that_does_not_listen_is_killed_with_its_children(void **state)
{
	struct heard *heard = *state;
	pid_t left;

	assert_int_equal(run(heard, "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done",
			     300000000), -ETIMEDOUT);
	left = atoi(heard->text + 2);
	assert_true(left > 1);
	/* A zombie until init has seen it. */
	for (int i = 0; i < 500 && kill(left, 0) == 0; i++) {
		char path[64], state_of[256] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/stat", left);
		file = fopen(path, "r");
		if (!file || !fgets(state_of, sizeof(state_of), file) || strstr(state_of, ") Z "))
			left = 0;
		if (file)
			fclose(file);
		if (!left)
			break;
		usleep(10000);
	}
	if (left)
		assert_int_equal(kill(left, 0), -1);
}

static void one_that_is_told_to_stop_ends(void **state)
{
	struct heard *heard = *state;

	heard->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(run(heard, "trap 'echo last words; exit 0' TERM; echo stop me;"
			     "while :; do sleep 0.05; done", 0), -ECANCELED);
	assert_non_null(strstr(heard->text, "1:last words\n"));
	/* It is still to stop. */
	assert_int_equal(run(heard, "sleep 1000", 0), -ECANCELED);
}

static void who_is_left_behind_does_not_keep_us(void **state)
{
	struct heard *heard = *state;

	assert_int_equal(run(heard, "sleep 2 & echo done", 0), 0);
	assert_string_equal(heard->text, "1:done\n");
}

static void what_cannot_be_run_is_named(void **state)
{
	struct heard *heard = *state;
	char *const missing[] = {"/nowhere/program", NULL}, *const directory[] = {"/tmp", NULL};
	struct child_request request = {
		.argv = missing, .stop_fd = -1, .hear = hear, .context = heard,
	};

	assert_int_equal(child_run(&request), -ENOENT);
	assert_string_equal(failure_text(), "/nowhere/program: cannot be run: No such file or directory");
	request.argv = directory;
	assert_int_equal(child_run(&request), -EACCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_heard_and_the_status_is_told),
		TEST(lines_have_a_bound),
		TEST(nothing_of_ours_is_inherited),
		TEST(one_that_overruns_is_ended),
		TEST(one_that_does_not_listen_is_killed_with_its_children),
		TEST(one_that_is_told_to_stop_ends),
		TEST(who_is_left_behind_does_not_keep_us),
		TEST(what_cannot_be_run_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

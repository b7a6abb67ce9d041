// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a hook gets, what becomes of what it says, and that nothing it does or leaves undone
 * holds us up. No test looks at how long anything takes: a hook that holds us up for ever
 * ends the test program's own time.
 */
#include "agent/hook.h"
#include "common/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_NS  3600000000000u
#define SHORT_NS 200000000u

struct scene {
	char directory[64];
	char path[96]; /* of the hook */
	struct hook_call call;
	int ready_fd; /* written to when it says "ready": where a test may not race with it */
	char said[131072]; /* each line with its end */
};

static void hear(void *context, const char *text)
{
	struct scene *scene = context;
	size_t used = strlen(scene->said);

	if (strcmp(text, "ready") == 0)
		eventfd_write(scene->ready_fd, 1);
	snprintf(scene->said + used, sizeof(scene->said) - used, "%s\n", text);
}

/* Not where other tests keep theirs: nothing can be executed in many a /dev/shm. */
static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	strcpy(scene->directory, "/tmp/tidemark-hook.XXXXXX");
	if (!mkdtemp(scene->directory))
		return -1;
	scene->ready_fd = eventfd(0, EFD_CLOEXEC);
	snprintf(scene->path, sizeof(scene->path), "%s/hook", scene->directory);
	scene->call = (struct hook_call){
		.path = scene->path, .phase = "before-cut", .timeout_ns = LONG_NS,
		.grace_ns = LONG_NS, .interrupt_fd = -1, .line = hear, .context = scene,
	};
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", scene->directory);
	close(scene->ready_fd);
	free(scene);
	return system(command);
}

static void write_hook(struct scene *scene, const char *text)
{
	FILE *file = fopen(scene->path, "we");

	fprintf(file, "%s", text);
	fchmod(fileno(file), 0755);
	fclose(file);
}

static int run(struct scene *scene, const char *script)
{
	char text[4096];

	snprintf(text, sizeof(text), "#!/bin/bash\ncd %s\n%s\n", scene->directory, script);
	write_hook(scene, text);
	return hook_run(&scene->call);
}

static void assert_says(const char *part)
{
	if (!strstr(failure_text(), part))
		fail_msg("\"%s\" does not say \"%s\"", failure_text(), part);
}

static void assert_said(const struct scene *scene, const char *wanted)
{
	assert_string_equal(scene->said, wanted);
}

/* --------------------------------------------------------------------- what it gets */

static void it_is_told_the_phase(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "echo $# $1 $0"), 0);
	assert_memory_equal(scene->said, "1 before-cut /tmp/", 18);
}

static void its_environment_is_what_is_documented(void **state)
{
	struct scene *scene = *state;
	char *variables[] = {"TIDEMARK_VOLUMES=a b", "TIDEMARK_REPOSITORY=/r e p o"};

	scene->call.variables = variables;
	scene->call.nr_variables = 2;
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("HOME", "/home/of", 1);
	setenv("TIDEMARK_PASSPHRASE_FILE", "/secret", 1);
	/* What bash adds by itself is in its children's, and was not in its own. */
	assert_int_equal(run(scene, "sort -z /proc/$$/environ | tr '\\0' '\\n'"), 0);
	assert_said(scene, "HOME=/home/of\nLANG=C.UTF-8\nPATH=/usr/bin:/bin\n"
			   "TIDEMARK_PHASE=before-cut\nTIDEMARK_REPOSITORY=/r e p o\n"
			   "TIDEMARK_VOLUMES=a b\n");
}

static void what_we_do_not_have_it_has_all_the_same(void **state)
{
	struct scene *scene = *state;

	unsetenv("LANG");
	setenv("HOME", "", 1);
	assert_int_equal(run(scene, "echo $LANG $HOME"), 0);
	assert_said(scene, "C /\n");
}

static void it_has_three_descriptors(void **state)
{
	struct scene *scene = *state;
	int leaky = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
	int far = dup2(leaky, 200);

	assert_true(leaky > 2 && far == 200);
	/* Bash's own script is its 255. */
	assert_int_equal(run(scene, "ls /proc/$$/fd; cat; readlink /proc/$$/fd/0"), 0);
	assert_said(scene, "0\n1\n2\n255\n/dev/null\n");
	close(far);
	close(leaky);
}

static void it_has_them_where_we_have_none(void **state)
{
	struct scene *scene = *state;
	int saved[3];
	int r;

	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	write_hook(scene, "#!/bin/bash\nreadlink /proc/$$/fd/0; echo out; echo err >&2\n");
	for (int i = 0; i < 3; i++)
		close(i);
	r = hook_run(&scene->call);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	assert_int_equal(r, 0);
	assert_said(scene, "/dev/null\nout\nerr\n");
}

static void it_leads_a_session_of_its_own(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "read -r pid _ _ _ group session tty _ </proc/$$/stat\n"
				    "[ $group = $pid ] && [ $session = $pid ] && [ $tty = 0 ]"), 0);
}

/* SIGPIPE that is ignored, and SIGTERM that is blocked: each would make a hook misbehave. */
static void it_has_signals_as_a_shell_has_them(void **state)
{
	struct scene *scene = *state;
	sigset_t term, saved;
	int r;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, &saved);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	/* 32 and 33 are the C library's own, which it ignores in what it starts. */
	r = run(scene, "while read -r name mask; do case $name in\n"
		       "SigBlk:|SigIgn:) echo $name $((0x$mask & ~(3 << 31))) ;; esac\n"
		       "done < <(cat /proc/self/status)"); /* bash ignores some itself */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	assert_int_equal(r, 0);
	assert_said(scene, "SigBlk: 0\nSigIgn: 0\n");
}

/* ------------------------------------------------------------------- what it says */

static void what_it_prints_comes_line_by_line(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "echo one; echo two >&2; printf '\\033[2Jthree'"), 0);
	assert_said(scene, "one\ntwo\n?[2Jthree\n");
}

static void an_endless_line_is_no_harm(void **state)
{
	struct scene *scene = *state;

	/* Cut where the buffer ends, and cut short. */
	assert_int_equal(run(scene, "yes ab | tr -d '\\n' | head -c 20000; echo; echo end"), 0);
	assert_int_equal(strlen(scene->said), 2 * (512 + 4) + 4);
	assert_non_null(strstr(scene->said, "...\nend\n"));
	scene->said[0] = '\0';
	assert_int_equal(run(scene, "yes ab | tr -d '\\n' | head -c 9000000"), 0);
	assert_int_equal(strlen(scene->said), 200 * (512 + 4) + strlen("... and 350 more lines\n"));
}

static void too_many_lines_are_counted(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "seq 12345"), 0);
	assert_non_null(strstr(scene->said, "\n200\n... and 12145 more lines\n"));
}

static void nobody_has_to_listen(void **state)
{
	struct scene *scene = *state;

	scene->call.line = NULL;
	assert_int_equal(run(scene, "seq 100000"), 0);
}

/* ---------------------------------------------------------------------- how it ends */

static void its_status_is_a_failure_with_a_sentence(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "echo going on; echo no server >&2; exit 3"), -ECHILD);
	assert_says(scene->path);
	assert_says("before-cut failed with status 3: no server");
	assert_int_equal(run(scene, "kill -KILL $$"), -ECHILD);
	assert_says("was ended by signal 9 (Killed)");
}

/* As under a parent that wants to know nothing of its children, and hands that on. */
static void its_status_counts_where_children_are_ignored(void **state)
{
	struct scene *scene = *state;

	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run(scene, "exit 3"), -ECHILD);
	assert_says("status 3");
}

static void its_time_is_limited(void **state)
{
	struct scene *scene = *state;

	scene->call.timeout_ns = SHORT_NS;
	assert_int_equal(run(scene, "sleep 1000"), -ETIMEDOUT);
	assert_says("before-cut was not done after 0.200 s and was ended");
}

static void who_cannot_be_told_to_end_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->call.timeout_ns = scene->call.grace_ns = SHORT_NS;
	assert_int_equal(run(scene, "kill -STOP $$"), -ETIMEDOUT);
}

static void an_interrupt_ends_it(void **state)
{
	struct scene *scene = *state;

	scene->call.interrupt_fd = scene->ready_fd;
	assert_int_equal(run(scene, "trap 'echo told; exit 0' TERM; echo ready\n"
				    "while :; do sleep 0.1; done"), -ECANCELED);
	assert_says("interrupted");
	assert_non_null(strstr(scene->said, "told\n")); /* bash may speak of its sleep as well */
}

static void who_does_not_obey_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->call.interrupt_fd = scene->ready_fd;
	scene->call.grace_ns = SHORT_NS;
	assert_int_equal(run(scene, "trap '' TERM; echo ready; while :; do sleep 1000; done"),
			 -ECANCELED);
}

static void who_never_stops_to_print_is_killed_too(void **state)
{
	struct scene *scene = *state;

	scene->call.interrupt_fd = scene->ready_fd;
	scene->call.grace_ns = SHORT_NS;
	assert_int_equal(run(scene, "trap '' TERM; echo ready; exec yes"), -ECANCELED);
}

/* The leader obeys at once, with a long grace: nobody else is left all the same. */
static void nobody_of_its_group_survives_it(void **state)
{
	struct scene *scene = *state;

	scene->call.interrupt_fd = scene->ready_fd;
	assert_int_equal(run(scene, "(trap '' TERM; echo $BASHPID >child; echo ready\n"
				    "while :; do sleep 1000; done) & wait"), -ECANCELED);
	scene->call.interrupt_fd = -1;
	assert_int_equal(run(scene, "[ -s child ] || exit 5\n"
				    "while grep '^State:.[^ZX]' /proc/$(cat child)/status; do sleep 0.1; done\n"
				    "exit 0"), 0);
}

/* As the helper that holds a database's lock from one phase to another. */
static void what_stays_in_the_background_holds_nobody_up(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "(trap '' PIPE; echo $BASHPID >child; exec sleep 1000) &\n"
				    "until [ -e child ]; do sleep 0.01; done; echo done"), 0);
	assert_said(scene, "done\n");
	assert_int_equal(run(scene, "kill -KILL $(cat child)"), 0);
}

/* yes is faster than whoever reads it, and ends once nobody does. */
static void who_chatters_in_the_background_holds_nobody_up(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "(echo >started; exec yes 2>/dev/null) &\n"
				    "until [ -e started ]; do sleep 0.01; done"), 0);
}

static void it_may_close_its_output(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, "exec >&- 2>&-; sleep 0.1; exit 4"), -ECHILD);
	assert_says("status 4");
}

/* ------------------------------------------------------------------- what is refused */

static void what_cannot_be_run_is_refused(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(hook_run(&scene->call), -ENOENT);
	assert_says(scene->path);
	write_hook(scene, "#!/bin/bash\n");
	chmod(scene->path, 0644);
	assert_int_equal(hook_run(&scene->call), -ENOEXEC);
	assert_says("chmod 755");
	write_hook(scene, "echo without an interpreter\n");
	assert_int_equal(hook_run(&scene->call), -ENOEXEC);
	assert_says("#!");
	write_hook(scene, "#!/nowhere/sh\n");
	assert_int_equal(hook_run(&scene->call), -ENOEXEC);
	assert_says("interpreter is not there");
	scene->call.path = scene->directory;
	assert_int_equal(hook_run(&scene->call), -ENOEXEC);
	assert_says("is no file");
	assert_said(scene, "");
}

static void what_others_may_change_is_refused(void **state)
{
	static const mode_t modes[] = {0775, 0757, 0777};
	struct scene *scene = *state;

	for (size_t i = 0; i < 3; i++) {
		write_hook(scene, "#!/bin/bash\necho no\n");
		chmod(scene->path, modes[i]);
		assert_int_equal(hook_check(scene->path), -ENOEXEC);
		assert_int_equal(hook_run(&scene->call), -ENOEXEC);
		assert_says("chmod go-w");
	}
	assert_said(scene, "");
}

static void what_is_anothers_is_refused(void **state)
{
	struct scene *scene = *state;

	if (geteuid() != 0)
		skip();
	write_hook(scene, "#!/bin/bash\necho no\n");
	assert_int_equal(chown(scene->path, 65534, 65534), 0);
	assert_int_equal(hook_check(scene->path), -ENOEXEC);
	assert_int_equal(hook_run(&scene->call), -ENOEXEC);
	assert_says("chown root");
	assert_said(scene, "");
}

/* Descriptors and children are all given back. */
static void nothing_is_left(void **state)
{
	struct scene *scene = *state;
	int before = dup(0), after;

	close(before);
	scene->call.timeout_ns = LONG_NS;
	for (int i = 0; i < 20; i++)
		run(scene, i % 2 ? "exit 1" : "echo");
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_told_the_phase),
		TEST(its_environment_is_what_is_documented),
		TEST(what_we_do_not_have_it_has_all_the_same),
		TEST(it_has_three_descriptors),
		TEST(it_has_them_where_we_have_none),
		TEST(it_leads_a_session_of_its_own),
		TEST(it_has_signals_as_a_shell_has_them),
		TEST(what_it_prints_comes_line_by_line),
		TEST(an_endless_line_is_no_harm),
		TEST(too_many_lines_are_counted),
		TEST(nobody_has_to_listen),
		TEST(its_status_is_a_failure_with_a_sentence),
		TEST(its_status_counts_where_children_are_ignored),
		TEST(its_time_is_limited),
		TEST(who_cannot_be_told_to_end_is_killed),
		TEST(an_interrupt_ends_it),
		TEST(who_does_not_obey_is_killed),
		TEST(who_never_stops_to_print_is_killed_too),
		TEST(nobody_of_its_group_survives_it),
		TEST(what_stays_in_the_background_holds_nobody_up),
		TEST(who_chatters_in_the_background_holds_nobody_up),
		TEST(it_may_close_its_output),
		TEST(what_cannot_be_run_is_refused),
		TEST(what_others_may_change_is_refused),
		TEST(what_is_anothers_is_refused),
		TEST(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

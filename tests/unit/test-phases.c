// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which phases a hook is told of in a backup of an imitated volume, in which order, and what
 * becomes of the backup where one of them fails: docs/schedule.md, "Hooks", rules 1 and 2. And
 * what else a request asks for: the name of a group.
 */
#include "repo_fixture.h"
#include "imitated_module.h"

#include "agent/backup.h"
#include "common/failure.h"
#include "restore/group.h"

#include <pthread.h>
#include <signal.h>

#define NAME      "imitated"
#define CHUNK     4096u
#define NR_CHUNKS 64u
#define SECOND_NS 1000000000u

struct scene {
	struct fixture *fixture;
	struct module *module;
	char directory[64]; /* of the hook, where it can be executed */
	char hook[96];
	struct backup_request request;
	struct backup_result result;
	pthread_mutex_t lock; /* the next two */
	char notes[4096];
	char warnings[4096];
	const char *goes_away_at; /* a note: the volume is detached then */
	bool limits_before_cut;
	uint64_t nr_cuts_when_quiet;
};

static struct scene *scene; /* there is one at a time, and callbacks have no context */

static void note(const char *text)
{
	pthread_mutex_lock(&scene->lock);
	strcat(strcat(scene->notes, text), "\n");
	pthread_mutex_unlock(&scene->lock);
	if (strcmp(text, "hook before-cut: quiet") == 0)
		scene->nr_cuts_when_quiet = module_nr_cuts(scene->module);
	if (scene->goes_away_at && strcmp(text, scene->goes_away_at) == 0)
		module_break(scene->module, MODULE_GONE);
	/* The other phases have all the time that a busy machine needs for them. */
	if (scene->limits_before_cut)
		scene->request.hook_timeout_ns = strstr(text, "before-cut next") ?
						 3ull * SECOND_NS : 60ull * SECOND_NS;
}

static void warn(const char *text)
{
	pthread_mutex_lock(&scene->lock);
	strcat(strcat(scene->warnings, text), "\n");
	pthread_mutex_unlock(&scene->lock);
}

static int set_up(void **state)
{
	static char *const volumes[] = {NAME};
	struct module_options options = {
		.name = NAME, .volume_bytes = NR_CHUNKS * CHUNK, .chunk_bytes = CHUNK,
		.ring_bytes = 65536, .stall_ms = 1000,
	};

	scene = calloc(1, sizeof(*scene));
	pthread_mutex_init(&scene->lock, NULL);
	strcpy(scene->directory, "/tmp/tidemark-phases.XXXXXX");
	if (fixture_setup((void **)&scene->fixture) < 0 || !mkdtemp(scene->directory))
		return -1;
	snprintf(scene->hook, sizeof(scene->hook), "%s/hook", scene->directory);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	scene->module = module_create(&options);
	scene->request = (struct backup_request){
		.volumes = volumes, .nr_volumes = 1, .repository = scene->fixture->path,
		.hook = scene->hook, .hook_timeout_ns = 60ull * SECOND_NS,
		.notice = note, .warning = warn,
	};
	return 0;
}

static int tear_down(void **state)
{
	module_destroy(scene->module);
	remove_tree(scene->directory);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* cases: of the shell, by the phase. */
static int run(const char *cases)
{
	FILE *file = fopen(scene->hook, "we");

	fprintf(file, "#!/bin/bash\ncd %s\necho \"$1\" >>told\n"
		"env | grep ^TIDEMARK_ | sort >\"env.$1\"\ncase $1 in\n%s\nesac\n",
		scene->directory, cases);
	fchmod(fileno(file), 0755);
	fclose(file);
	return backup_run(&scene->request, &scene->result);
}

static void assert_file(const char *name, const char *wanted)
{
	char path[128];
	char text[4096] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", scene->directory, name);
	file = fopen(path, "re");
	if (file) {
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	assert_string_equal(text, wanted);
}

#define assert_told(wanted) assert_file("told", wanted)

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static size_t nr_points(void)
{
	struct tmc_point *points;
	struct tmc_repo *repo;
	size_t nr;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_success(tmc_point_list(repo, &points, &nr));
	free(points);
	tmc_repo_close(repo);
	return nr;
}

/* No point, and nothing is forgotten: the next backup has all that this one would have had. */
static void assert_nothing_was_made(void)
{
	assert_false(scene->result.made);
	assert_int_equal(nr_points(), 0);
	assert_int_equal(module_dirty_chunks(scene->module), NR_CHUNKS);
}

/* ----------------------------------------------------------------------- success */

static void a_backup_tells_its_phases_in_order(void **state)
{
	char id[TMC_ID_TEXT];
	char wanted[512];

	assert_int_equal(run("before-cut) echo quiet ;; after-cut) echo going on ;;"), 0);
	assert_told("before-backup\nbefore-cut\nafter-cut\nafter-backup\n");
	assert_int_equal(nr_points(), 1);
	assert_int_equal(scene->result.hook, BACKUP_HOOK_DONE);
	assert_int_equal(module_dirty_chunks(scene->module), 0);
	assert_string_equal(scene->notes, "hook before-cut: quiet\nhook after-cut: going on\n");
	assert_string_equal(scene->warnings, "");
	tmc_id_format(&scene->result.point.id, id);
	snprintf(wanted, sizeof(wanted), "TIDEMARK_DEVICES=/dev/" NAME "\nTIDEMARK_PHASE=before-cut\n"
		 "TIDEMARK_REPOSITORY=%s\nTIDEMARK_VOLUMES=" NAME "\n", scene->fixture->path);
	assert_file("env.before-cut", wanted);
	snprintf(wanted, sizeof(wanted), "TIDEMARK_DEVICES=/dev/" NAME "\nTIDEMARK_PHASE=after-backup\n"
		 "TIDEMARK_POINTS=%s\nTIDEMARK_REPOSITORY=%s\nTIDEMARK_VOLUMES=" NAME "\n", id,
		 scene->fixture->path);
	assert_file("env.after-backup", wanted);
}

static void without_a_hook_nobody_is_told(void **state)
{
	scene->request.hook = NULL;
	assert_int_equal(run(""), 0);
	assert_told("");
	assert_int_equal(scene->result.hook, BACKUP_HOOK_NONE);
}

/* Writes of the application that goes on may wait for the capture, and it for them. */
static void after_cut_and_the_image_do_not_wait_for_each_other(void **state)
{
	char cases[256];

	snprintf(cases, sizeof(cases),
		 "after-cut) until [ -n \"$(ls %s/points)\" ]; do sleep 0.01; done; touch seen ;;\n"
		 "after-backup) [ -e seen ] ;;", scene->fixture->path);
	assert_int_equal(run(cases), 0);
	assert_told("before-backup\nbefore-cut\nafter-cut\nafter-backup\n");
	assert_string_equal(scene->warnings, "");
	assert_int_equal(scene->result.hook, BACKUP_HOOK_DONE);
}

static void it_is_quiet_before_the_cut(void **state)
{
	module_lose_cuts(scene->module, 1);
	assert_int_equal(run("before-cut) echo quiet ;;"), 0);
	assert_int_equal(scene->nr_cuts_when_quiet, 1); /* that of the attempt before */
	assert_int_equal(module_nr_cuts(scene->module), 2);
}

static void each_cut_that_is_lost_has_its_own_two_phases(void **state)
{
	module_lose_cuts(scene->module, 1);
	assert_int_equal(run(""), 0);
	assert_told("before-backup\nbefore-cut\nafter-cut\nbefore-cut\nafter-cut\nafter-backup\n");
	assert_int_equal(scene->result.attempts, 2);
	assert_int_equal(nr_points(), 1);
}

/* ----------------------------------------------------------------------- failures */

static void a_backup_that_fails_ends_with_on_failure(void **state)
{
	module_lose_cuts(scene->module, 3);
	assert_int_equal(run("on-failure) echo $TIDEMARK_REASON >reason ;;"), -ESTALE);
	assert_told("before-backup\nbefore-cut\nafter-cut\nbefore-cut\nafter-cut\n"
		    "before-cut\nafter-cut\non-failure\n");
	assert_says(failure_text(), "3 cuts were lost");
	assert_file("reason", strcat(strcpy(scene->notes, failure_text()), "\n"));
	assert_nothing_was_made();
}

static void a_failure_before_the_backup_ends_it_before_a_cut(void **state)
{
	assert_int_equal(run("before-backup) echo no server; exit 3 ;;"), -ECHILD);
	assert_told("before-backup\non-failure\n");
	assert_says(failure_text(), "before-backup failed with status 3: no server");
	assert_nothing_was_made();
}

static void a_failure_before_the_cut_is_no_reason_to_leave_it_quiet(void **state)
{
	assert_int_equal(run("before-cut) exit 3 ;;"), -ECHILD);
	assert_told("before-backup\nbefore-cut\nafter-cut\non-failure\n");
	assert_says(failure_text(), "before-cut failed with status 3");
	assert_nothing_was_made();
}

static void nor_is_one_that_overruns(void **state)
{
	scene->limits_before_cut = true;
	assert_int_equal(run("before-backup) echo before-cut next ;;\n"
			     "before-cut) echo quiet; sleep 1000 ;;"), -ETIMEDOUT);
	assert_told("before-backup\nbefore-cut\nafter-cut\non-failure\n");
	assert_nothing_was_made();
}

static void nor_is_a_cut_that_fails(void **state)
{
	scene->goes_away_at = "hook before-cut: quiet";
	assert_int_equal(run("before-cut) echo quiet ;;"), -ENODEV);
	assert_told("before-backup\nbefore-cut\nafter-cut\non-failure\n");
	assert_says(failure_text(), "was detached");
	assert_nothing_was_made();
}

static void a_failure_behind_the_cut_fails_nothing(void **state)
{
	scene->request.notice = NULL; /* as --quiet does: a warning is said all the same */
	assert_int_equal(run("after-cut) exit 3 ;; after-backup) exit 4 ;;"), 0);
	assert_told("before-backup\nbefore-cut\nafter-cut\nafter-backup\n");
	assert_int_equal(nr_points(), 1);
	assert_int_equal(module_dirty_chunks(scene->module), 0);
	assert_int_equal(scene->result.hook, BACKUP_HOOK_FAILED);
	assert_says(scene->warnings, "after-cut failed with status 3\n");
	assert_says(scene->warnings, "after-backup failed with status 4\n");
}

static void a_failure_of_on_failure_is_not_the_reason(void **state)
{
	assert_int_equal(run("before-cut) exit 3 ;; after-cut) exit 4 ;; on-failure) exit 5 ;;"),
			 -ECHILD);
	assert_says(failure_text(), "before-cut failed with status 3");
	assert_says(scene->warnings, "after-cut failed with status 4\n");
	assert_says(scene->warnings, "on-failure failed with status 5\n");
}

/* ------------------------------------------------------------------------- signals */

static void a_signal_before_the_cut_still_lets_it_go_on(void **state)
{
	assert_int_equal(run("before-cut) kill -TERM $PPID; sleep 1000 ;;"), -ECANCELED);
	assert_told("before-backup\nbefore-cut\nafter-cut\non-failure\n");
	assert_says(failure_text(), "interrupted");
	assert_nothing_was_made();
}

static void a_signal_before_the_backup_makes_nothing_quiet(void **state)
{
	assert_int_equal(run("before-backup) kill -INT $PPID ;;"), -ECANCELED);
	assert_told("before-backup\non-failure\n");
	assert_nothing_was_made();
}

static void a_signal_does_not_cut_short_who_lets_it_go_on(void **state)
{
	assert_int_equal(run("before-cut) exit 3 ;;\n"
			     "after-cut) kill -TERM $PPID; sleep 0.3; echo going on ;;"), -ECHILD);
	assert_says(scene->notes, "hook after-cut: going on\n");
	assert_string_equal(scene->warnings, "");
}

/* ------------------------------------------------------------------------- refused */

static void a_hook_that_is_not_safe_is_refused_before_anything(void **state)
{
	int fd = open(scene->hook, O_CREAT | O_RDWR | O_CLOEXEC, 0700);

	fchmod(fd, 0777);
	close(fd);
	assert_int_equal(backup_run(&scene->request, &scene->result), -ENOEXEC);
	assert_int_equal(module_nr_channels(scene->module), 0);
	assert_told("");
}

/* -------------------------------------------------------------------------- groups */

static void a_point_carries_the_name_of_its_group(void **state)
{
	char name[TMC_TEXT_BYTES];
	unsigned long nr;
	const char *found;

	scene->request.hook = NULL;
	scene->request.group = "my-db@home";
	assert_int_equal(backup_run(&scene->request, &scene->result), 0);
	assert_true(group_parse(&scene->result.point, &nr, &found));
	assert_int_equal(nr, 1);
	assert_string_equal(found, "my-db@home");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	scene->request.group = name;
	assert_int_equal(backup_run(&scene->request, &scene->result), -EINVAL);
	assert_says(failure_text(), "the name of a group is too long");
	scene->request.group = NULL;
	assert_int_equal(backup_run(&scene->request, &scene->result), 0);
	assert_string_equal(scene->result.point.group, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_backup_tells_its_phases_in_order),
		TEST(without_a_hook_nobody_is_told),
		TEST(after_cut_and_the_image_do_not_wait_for_each_other),
		TEST(it_is_quiet_before_the_cut),
		TEST(each_cut_that_is_lost_has_its_own_two_phases),
		TEST(a_backup_that_fails_ends_with_on_failure),
		TEST(a_failure_before_the_backup_ends_it_before_a_cut),
		TEST(a_failure_before_the_cut_is_no_reason_to_leave_it_quiet),
		TEST(nor_is_one_that_overruns),
		TEST(nor_is_a_cut_that_fails),
		TEST(a_failure_behind_the_cut_fails_nothing),
		TEST(a_failure_of_on_failure_is_not_the_reason),
		TEST(a_signal_before_the_cut_still_lets_it_go_on),
		TEST(a_signal_before_the_backup_makes_nothing_quiet),
		TEST(a_signal_does_not_cut_short_who_lets_it_go_on),
		TEST(a_hook_that_is_not_safe_is_refused_before_anything),
		TEST(a_point_carries_the_name_of_its_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

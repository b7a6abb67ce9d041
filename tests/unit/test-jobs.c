// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Jobs on volumes of an imitated module, with a script in tidemark's place, which notes how it
 * was called and does what the file "does" says.
 */
#include "repo_fixture.h"
#include "imitated_module.h"

#include "common/clock_ns.h"
#include "common/failure.h"
#include "daemon/jobs.h"

#include <limits.h>
#include <time.h>

#define PATIENCE_NS 20000000000u /* of a test that fails */
#define IS_THERE    "{\"point\":\"abcd\"}"

struct scene {
	struct fixture *fixture;
	struct module *modules[2];
	struct jobs jobs;
	char *path; /* the environment's */
};

static const char *const names[] = {"one", "two"};

static void write_text(struct scene *scene, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", scene->fixture->directory, name);
	write_file(path, text, strlen(text));
	chmod(path, 0700);
}

static void read_text(struct scene *scene, const char *name, char *ret_text, size_t bytes)
{
	char path[256];
	FILE *file;
	size_t got = 0;

	snprintf(path, sizeof(path), "%s/%s", scene->fixture->directory, name);
	file = fopen(path, "r");
	if (file) {
		got = fread(ret_text, 1, bytes - 1, file);
		fclose(file);
	}
	ret_text[got] = '\0';
}

static void does(struct scene *scene, const char *what)
{
	write_text(scene, "does", what);
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	char path[PATH_MAX];

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	assert_success(tmc_repo_create(scene->fixture->path, 4096));
	for (unsigned int i = 0; i < 2; i++) {
		struct module_options options = {
			.name = names[i], .volume_bytes = 1u << 20, .chunk_bytes = 4096,
			.ring_bytes = 65536, .stall_ms = 1000,
		};

		scene->modules[i] = module_create(&options);
	}
	write_text(scene, "tidemark", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$*\" >>calls\n. ./does\n");
	scene->path = strdup(getenv("PATH"));
	snprintf(path, sizeof(path), "%s:%s", scene->fixture->directory, scene->path);
	setenv("PATH", path, 1);
	setenv("STATE_DIRECTORY", scene->fixture->directory, 1);
	setenv("TZ", "UTC", 1);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	jobs_stop(&scene->jobs);
	for (unsigned int i = 0; i < 2; i++)
		module_destroy(scene->modules[i]);
	setenv("PATH", scene->path, 1);
	free(scene->path);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* Two tracked volumes and what follows. */
static void adopt(struct scene *scene, const char *more)
{
	char text[1024], path[128];
	struct config config;

	snprintf(path, sizeof(path), "%s/config", scene->fixture->directory);
	snprintf(text, sizeof(text), "repository = %s\n%s", scene->fixture->path, more);
	write_file(path, text, strlen(text));
	if (config_read(path, &config) < 0)
		fail_msg("%s", failure_text());
	jobs_adopt(&scene->jobs, &config);
	config_clear(&config);
}

#define ONE  "volume one { device = one mode = track "
#define TWO  "volume two { device = two mode = track "

static struct job_status status_of(struct scene *scene, size_t nth)
{
	struct job_status status;

	job_get_status(scene->jobs.jobs[nth], &status);
	return status;
}

static void wait_until_it_is(struct scene *scene, enum job_activity activity)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (status_of(scene, 0).activity != activity) {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("%s, not %s", job_activity_name(status_of(scene, 0).activity),
				 job_activity_name(activity));
		usleep(2000);
	}
}

/* The volume's job has never run: one run is due at once. */
static void wait_for_end(struct scene *scene, enum job_activity activity)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	struct job_status status;

	do {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("no run has ended");
		usleep(2000);
		status = status_of(scene, 0);
	} while (status.activity == JOB_RUNNING ||
		 (!status.state.succeeded_s && !status.state.past.failures));
	assert_string_equal(job_activity_name(status.activity), job_activity_name(activity));
}

static void assert_calls(struct scene *scene, const char *expected)
{
	char calls[4096], text[4096] = "";

	read_text(scene, "calls", calls, sizeof(calls));
	for (; *expected; expected++) { /* @: the repository */
		size_t used = strlen(text);

		if (*expected == '@')
			snprintf(text + used, sizeof(text) - used, "%s", scene->fixture->path);
		else
			snprintf(text + used, sizeof(text) - used, "%c", *expected);
	}
	assert_string_equal(calls, text);
}

static void a_new_job_runs_at_once_and_then_by_its_schedule(void **state)
{
	struct scene *scene = *state;
	struct job_status status;
	int64_t start_s = time(NULL);

	does(scene, "[ $1 != backup ] || echo '" IS_THERE "'");
	adopt(scene, ONE "schedule = 1h keep-last = 3 keep-within = 1d }");
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json one\n"
			    "prune --repo @ --volume one --quiet --keep-last 3 --keep-within 1d\n");
	status = status_of(scene, 0);
	assert_string_equal(status.state.points, "abcd");
	assert_true(status.state.succeeded_s >= start_s);
	assert_true(status.due_s > start_s && status.due_s <= start_s + 3700);
	assert_int_equal(status.due_s % 3600, 0);
}

static void a_group_is_one_backup(void **state)
{
	struct scene *scene = *state;

	does(scene, "[ $1 != backup ] || echo '{\"points\":[{\"point\":\"a\"},{\"point\":\"b\"}]}'");
	adopt(scene, ONE "}\n" TWO "}\ngroup g { volumes = {two, one} hook = /h keep-last = 1 }\n");
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json --group g --hook /h --hook-timeout 60s two one\n"
			    "prune --repo @ --volume two --quiet --keep-last 1\n"
			    "prune --repo @ --volume one --quiet --keep-last 1\n");
	assert_string_equal(status_of(scene, 0).state.points, "a b");
}

static void limits_are_those_of_the_backup(void **state)
{
	struct scene *scene = *state;

	does(scene, "[ $1 != backup ] || echo '" IS_THERE "'");
	adopt(scene, ONE "rate = 50M cpu-share = 25% io-class = idle keep-last = 1 }");
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json --rate 50M --cpu-share 25% --io-class idle one\n"
			    "prune --repo @ --volume one --quiet --keep-last 1\n");
}

static void retention_alone_makes_no_backup(void **state)
{
	struct scene *scene = *state;

	does(scene, "exit 0");
	adopt(scene, "volume one { device = one keep-daily = 14 }\n");
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "prune --repo @ --volume one --quiet --keep-daily 14\n");
}

static void what_failed_is_said_and_tried_again_later(void **state)
{
	struct scene *scene = *state;
	struct job_status status;

	does(scene, "echo 'tidemark: note: first' >&2; echo 'tidemark: one: is on fire' >&2; exit 1");
	adopt(scene, ONE "keep-last = 1 }");
	wait_for_end(scene, JOB_FAILED);
	status = status_of(scene, 0);
	assert_string_equal(status.state.reason, "one: is on fire");
	assert_int_equal(status.state.past.failures, 1);
	assert_int_equal(status.due_s, status.state.past.failed_s + 60);
	assert_calls(scene, "backup --repo @ --json one\n");
	does(scene, "[ $1 != backup ] || echo '" IS_THERE "'; exit 5");
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RUN), 0);
	/* The point of a volume with sectors that cannot be read is one, retention is beside it. */
	wait_until_it_is(scene, JOB_WAITING);
	assert_string_equal(status_of(scene, 0).state.reason, "");
	does(scene, "exit 5"); /* a repository that is damaged: no point */
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RUN), 0);
	wait_until_it_is(scene, JOB_FAILED);
	assert_string_equal(status_of(scene, 0).state.points, "abcd");
}

/* ------------------------------------------------------------------------ devices */

#define PATH    "/dev/disk"
#define ON_PATH "volume one { device = " PATH " mode = track }\n"

static const char *job_text(struct scene *scene, size_t nth, const char *member, char ret_text[512])
{
	struct json_object *array = jobs_to_json(&scene->jobs);
	struct json_object *job = json_object_array_get_idx(array, nth);
	const char *text = json_object_get_string(json_object_object_get(job, member));

	snprintf(ret_text, 512, "%s", text ? text : "");
	json_object_put(array);
	return ret_text;
}

static void assert_away(struct scene *scene, const char *device_state, const char *reason)
{
	char text[512];

	wait_until_it_is(scene, JOB_AWAY);
	assert_string_equal(job_text(scene, 0, "state", text), "away");
	assert_string_equal(job_text(scene, 0, "device_state", text), device_state);
	if (!strstr(job_text(scene, 0, "reason", text), reason))
		fail_msg("\"%s\", not \"%s\"", text, reason);
	assert_int_equal(status_of(scene, 0).state.past.failures, 0);
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RUN), -ENXIO);
}

/* It looks at once when it is told of something. */
static void wake(struct scene *scene)
{
	jobs_order(&scene->jobs, "one", JOB_ORDER_RESUME);
}

static void a_device_that_is_not_there_is_waited_for(void **state)
{
	struct scene *scene = *state;

	does(scene, "echo '" IS_THERE "'");
	module_unplug(scene->modules[0]);
	adopt(scene, ON_PATH);
	assert_away(scene, "gone", PATH ": is not there");
	assert_calls(scene, "");
	module_plug(scene->modules[0], PATH, "one");
	wake(scene);
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json one\n");
}

static void a_device_that_goes_is_no_failure_of_its_job(void **state)
{
	struct scene *scene = *state;
	char text[512];

	does(scene, "echo '" IS_THERE "'");
	module_plug(scene->modules[0], PATH, "one");
	adopt(scene, ON_PATH TWO "}");
	wait_for_end(scene, JOB_WAITING);
	module_unplug(scene->modules[0]);
	wake(scene);
	assert_away(scene, "gone", PATH ": is not there");
	assert_false(module_is_attached(scene->modules[0]));
	assert_string_equal(job_text(scene, 1, "device_state", text), "");
	module_plug(scene->modules[0], PATH, "one");
	wake(scene);
	wait_until_it_is(scene, JOB_WAITING);
	assert_true(module_is_attached(scene->modules[0]));
}

static void another_device_is_not_backed_up_until_it_is_accepted(void **state)
{
	struct scene *scene = *state;

	does(scene, "echo '" IS_THERE "'");
	module_plug(scene->modules[0], PATH, "one");
	adopt(scene, ON_PATH);
	wait_for_end(scene, JOB_WAITING);
	assert_int_equal(jobs_accept(&scene->jobs, "one"), -ENOENT);
	module_unplug(scene->modules[0]);
	wake(scene);
	assert_away(scene, "gone", PATH ": is not there");
	assert_int_equal(jobs_accept(&scene->jobs, "one"), -ENOENT);
	module_plug(scene->modules[0], PATH, "another");
	wake(scene);
	while (status_of(scene, 0).devices.state == KNOWN_VOLUME_GONE)
		usleep(2000);
	assert_away(scene, "replaced", "is another volume: another, not one");
	assert_false(module_is_attached(scene->modules[0]));
	assert_int_equal(jobs_accept(&scene->jobs, "two"), -ENOENT);
	assert_int_equal(jobs_accept(&scene->jobs, "one"), 0);
	wait_until_it_is(scene, JOB_WAITING);
	assert_true(module_is_attached(scene->modules[0]));
}

static void a_group_waits_for_each_of_its_devices(void **state)
{
	struct scene *scene = *state;

	does(scene, "echo '" IS_THERE "'");
	module_unplug(scene->modules[0]);
	adopt(scene, ON_PATH TWO "}\ngroup g { volumes = {two, one} }\n");
	wait_until_it_is(scene, JOB_AWAY);
	assert_calls(scene, "");
	module_plug(scene->modules[0], PATH, "one");
	jobs_order(&scene->jobs, "g", JOB_ORDER_RESUME);
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json --group g two one\n");
}

static const char waits[] = "trap 'echo ended >>calls; exit 1' TERM; echo begun >>calls\n"
			    "while :; do sleep 0.02; done";

static void wait_for_call(struct scene *scene, const char *line)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	char calls[4096];

	do {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("no %s", line);
		usleep(2000);
		read_text(scene, "calls", calls, sizeof(calls));
	} while (!strstr(calls, line));
}

static void a_run_is_cancelled_until_the_next_slot(void **state)
{
	struct scene *scene = *state;
	struct job_status status;

	does(scene, waits);
	adopt(scene, ONE "}");
	wait_for_call(scene, "begun");
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RUN), -EBUSY);
	assert_int_equal(jobs_order(&scene->jobs, "two", JOB_ORDER_CANCEL), -ENOENT);
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_CANCEL), 0);
	wait_until_it_is(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json one\nbegun\nended\n");
	status = status_of(scene, 0);
	assert_int_equal(status.state.past.failures, 0);
	assert_int_equal(status.state.succeeded_s, 0);
	assert_true(status.due_s > time(NULL) - 1 && status.due_s % 3600 == 0);
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_CANCEL), -ENOENT);
}

static void a_pause_outlives_us_and_what_it_missed_is_caught_up(void **state)
{
	struct scene *scene = *state;

	does(scene, waits);
	adopt(scene, ONE "}");
	wait_for_call(scene, "begun");
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_PAUSE), 0);
	wait_until_it_is(scene, JOB_PAUSED);
	wait_for_call(scene, "ended");
	jobs_stop(&scene->jobs);
	write_text(scene, "calls", "");
	adopt(scene, ONE "}");
	assert_int_equal(status_of(scene, 0).activity, JOB_PAUSED);
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RUN), -EBUSY);
	usleep(100000);
	assert_calls(scene, "");
	does(scene, "echo '" IS_THERE "'");
	assert_int_equal(jobs_order(&scene->jobs, "one", JOB_ORDER_RESUME), 0);
	wait_for_end(scene, JOB_WAITING);
	assert_calls(scene, "backup --repo @ --json one\n");
}

static void a_run_that_our_end_cancels_is_made_again(void **state)
{
	struct scene *scene = *state;

	does(scene, waits);
	adopt(scene, ONE "}");
	wait_for_call(scene, "begun");
	jobs_stop(&scene->jobs);
	assert_calls(scene, "backup --repo @ --json one\nbegun\nended\n");
	does(scene, "echo '" IS_THERE "'");
	adopt(scene, ONE "}");
	wait_for_end(scene, JOB_WAITING);
	/* What has succeeded is not. */
	jobs_stop(&scene->jobs);
	write_text(scene, "calls", "");
	adopt(scene, ONE "}");
	assert_int_equal(status_of(scene, 0).activity, JOB_WAITING);
	assert_string_equal(status_of(scene, 0).state.points, "abcd");
	usleep(100000);
	assert_calls(scene, "");
}

static void jobs_that_stay_are_not_disturbed(void **state)
{
	struct scene *scene = *state;

	does(scene, waits);
	adopt(scene, ONE "}");
	wait_for_call(scene, "begun");
	adopt(scene, ONE "}\n");
	assert_int_equal(status_of(scene, 0).activity, JOB_RUNNING);
	assert_calls(scene, "backup --repo @ --json one\nbegun\n");
	adopt(scene, ONE "schedule = 2h }\n");
	wait_for_call(scene, "ended\nbackup");
	adopt(scene, TWO "}");
	wait_for_call(scene, "two\n");
}

static void a_state_that_makes_no_sense_is_none(void **state)
{
	static const char *const texts[] = {"", "{", "[1]", "\"x\"", "{\"settled_s\":[]}"};
	struct scene *scene = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/jobs", scene->fixture->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	does(scene, "echo '" IS_THERE "'");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(scene, "jobs/one", texts[i]);
		write_text(scene, "calls", "");
		adopt(scene, ONE "}");
		wait_for_end(scene, JOB_WAITING);
		assert_calls(scene, "backup --repo @ --json one\n");
		jobs_stop(&scene->jobs);
	}
}

static void the_status_tells_of_each_job(void **state)
{
	struct scene *scene = *state;
	struct json_object *array, *job;

	does(scene, "echo '" IS_THERE "'");
	adopt(scene, ONE "schedule = \"02:30\" }\nvolume two { device = two keep-last = 2 }\n");
	wait_for_end(scene, JOB_WAITING);
	array = jobs_to_json(&scene->jobs);
	assert_int_equal(json_object_array_length(array), 2);
	job = json_object_array_get_idx(array, 0);
	assert_string_equal(json_object_get_string(json_object_object_get(job, "job")), "one");
	assert_string_equal(json_object_get_string(json_object_object_get(job, "schedule")), "02:30");
	assert_string_equal(json_object_get_string(json_object_object_get(job, "state")), "waiting");
	assert_string_equal(json_object_get_string(json_object_object_get(job, "does")), "backup");
	assert_int_equal(json_object_get_int64(json_object_object_get(job, "due_ms")) / 1000 % 86400,
			 9000);
	job = json_object_array_get_idx(array, 1);
	assert_string_equal(json_object_get_string(json_object_object_get(job, "does")), "retention");
	json_object_put(array);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_job_runs_at_once_and_then_by_its_schedule),
		TEST(a_group_is_one_backup),
		TEST(limits_are_those_of_the_backup),
		TEST(retention_alone_makes_no_backup),
		TEST(what_failed_is_said_and_tried_again_later),
		TEST(a_device_that_is_not_there_is_waited_for),
		TEST(a_device_that_goes_is_no_failure_of_its_job),
		TEST(another_device_is_not_backed_up_until_it_is_accepted),
		TEST(a_group_waits_for_each_of_its_devices),
		TEST(a_run_is_cancelled_until_the_next_slot),
		TEST(a_pause_outlives_us_and_what_it_missed_is_caught_up),
		TEST(a_run_that_our_end_cancels_is_made_again),
		TEST(jobs_that_stay_are_not_disturbed),
		TEST(a_state_that_makes_no_sense_is_none),
		TEST(the_status_tells_of_each_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

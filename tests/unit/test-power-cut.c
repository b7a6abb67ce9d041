// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Power cuts. The calls of a whole scenario are recorded; then each state in which a
 * disk may be left by a cut between two of them is built: it has to be a sound
 * repository with every point whose backup had returned, in which a backup succeeds.
 */
#include "crash_states.h"
#include "scenario.h"

/* Before init has returned there may be none yet: then it can be made. */
static void expect_repository(const char *path, unsigned int nr_done, const char *where)
{
	struct tmc_repo *repo;

	if (tmc_repo_open(path, &repo) < 0) {
		if (nr_done || tmc_repo_create(path, 4096) < 0 || tmc_repo_open(path, &repo) < 0)
			fail_msg("%s: %s", where, tmc_error_text());
	}
	tmc_repo_close(repo);
}

/* What a prune has begun is brought to its end by the next ones. */
static void expect_prune(const struct world *world, const char *where)
{
	const struct tmc_prune_options options = { .repack_below_percent = 50 };
	struct tmc_prune_result result;
	struct tmc_repo *repo;

	for (int i = 0; i < 2; i++) {
		assert_success(tmc_repo_open(world->path, &repo));
		if (tmc_prune(repo, &options, &result) < 0)
			fail_msg("%s, the next prune: %s", where, tmc_error_text());
		tmc_repo_close(repo);
	}
	assert_int_equal(result.waiting_dooms, 0);
	assert_int_equal(result.pending_bytes, 0);
}

/* What a dead writer has left must not lead the next one astray. */
static void expect_backup(const struct world *world, const char *where)
{
	struct model *model = world->points[world->nr_points - 1].model;
	struct tmc_point point;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(world->path, &repo));
	if (model_backup(repo, model, NULL, NULL, 1000, &point) < 0 ||
	    extract_point(repo, &point, model) != EXTRACTION_EXACT)
		fail_msg("%s, the next backup: %s", where, tmc_error_text());
	tmc_repo_close(repo);
}

static void judge(void *context, unsigned int nr_done, const char *where)
{
	const struct world *world = context;

	expect_repository(world->path, nr_done, where);
	world_expect_sound(world, nr_done, where);
	expect_backup(world, where);
	expect_prune(world, where);
	world_expect_points(world, nr_done, where);
}

static void judge_points(void *context, unsigned int nr_done, const char *where)
{
	const struct world *world = context;

	expect_repository(world->path, nr_done, where);
	world_expect_sound(world, nr_done, where);
}

/* A step that meets a failed sync is run again. */
static void run_scenario(const struct scenario *scenario, struct world *world)
{
	for (unsigned int i = 0; i < scenario->nr_steps; i++) {
		const struct scenario_step *step = &scenario->steps[i];

		world->step = i + 1;
		if (step->run(world) < 0 && (!trace_sync_has_failed() || step->run(world) < 0))
			fail_msg("%s: %s", step->name, tmc_error_text());
		trace_done();
	}
}

/* A call past the recorder would make the whole test blind. */
static void expect_same_directories(const char *a, const char *b)
{
	char command[400];

	snprintf(command, sizeof(command), "diff -r %s %s", a, b);
	assert_int_equal(system(command), 0);
}

static void judge_every_state(struct fixture *fixture, const struct scenario *scenario)
{
	struct crash_states states = { .scratch = "sessions", .judge = judge };
	char rebuilt[128];
	struct world world;
	struct trace *trace;

	snprintf(rebuilt, sizeof(rebuilt), "%s/rebuilt", fixture->directory);
	world_init(&world, fixture->path);
	trace_start(world.path);
	run_scenario(scenario, &world);
	trace = trace_stop();
	states.trace = trace;
	states.path = rebuilt;
	states.context = &world;
	crash_states_build_end(&states);
	expect_same_directories(fixture->path, rebuilt);
	world.path = rebuilt;
	crash_states_judge(&states);
	print_message("%zu calls, %zu states, %zu of them differ\n", trace->nr_ops,
		      states.ret_nr_states, states.ret_nr_judged);
	assert_true(trace->nr_ops > 40);
	assert_true(states.ret_nr_judged > 25);
	trace_destroy(trace);
	remove_tree(fixture->path);
	world_exit(&world);
}

static void every_state_after_a_power_cut_is_sound(void **state)
{
	for (unsigned int i = 0; i < nr_scenarios; i++)
		judge_every_state(*state, &scenarios[i]);
}

/* One backup fails with its sync; what the next one acknowledges must not rest on it. */
static void let_syncs_fail(struct fixture *fixture, const struct scenario *scenario,
			   unsigned int stride)
{
	struct crash_states states = { .scratch = "sessions", .judge = judge_points };
	char rebuilt[128];
	bool has_failed = true;
	unsigned int at;

	snprintf(rebuilt, sizeof(rebuilt), "%s/rebuilt", fixture->directory);
	states.path = rebuilt;
	for (at = 1; has_failed; at += stride) {
		struct world world;
		struct trace *trace;

		world_init(&world, fixture->path);
		world.may_have_others = true;
		trace_start(world.path);
		trace_fail_sync(at);
		run_scenario(scenario, &world);
		has_failed = trace_sync_has_failed();
		trace = trace_stop();
		states.trace = trace;
		states.context = &world;
		world.path = rebuilt;
		crash_states_judge(&states);
		trace_destroy(trace);
		remove_tree(fixture->path);
		world_exit(&world);
	}
	print_message("%s: %u syncs\n", scenario->name, at - stride - 1);
	assert_true(at > 10);
}

/* Each one of the first scenario, and with LONG=1 of the others. */
static void nothing_rests_on_a_sync_that_failed(void **state)
{
	for (unsigned int i = 0; i < nr_scenarios; i++)
		let_syncs_fail(*state, &scenarios[i], i && !is_long() ? 7 : 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(every_state_after_a_power_cut_is_sound),
		T(nothing_rests_on_a_sync_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

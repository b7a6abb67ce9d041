// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The whole scenario with its n-th call failing, for n = 1, 2, ... until none does.
 * The step that meets the fault fails or does not notice; it is then run again, and
 * every later one after it, with the same open repository, and all succeed. Leaks
 * are for ASan. LONG=1 takes every n; without it calls that only read are sampled, of
 * which there are hundreds that differ in little, and all calls of the later scenarios.
 */
#include "faults.h"
#include "scenario.h"

static unsigned int stride(unsigned int without_long)
{
	return is_long() ? 1 : without_long;
}

/* The name of the step that failed; NULL: none did. */
static const char *run_steps(const struct scenario *scenario, struct world *world, const char *what)
{
	const char *failed = NULL;

	for (unsigned int i = 0; i < scenario->nr_steps; i++) {
		const struct scenario_step *step = &scenario->steps[i];
		int ret;

		world->step = i + 1;
		ret = step->run(world);
		if (ret < 0 && !failed && faults_fired()) {
			failed = step->name;
			assert_true(strlen(tmc_error_text()) > 10);
			faults_disarm();
			ret = step->run(world);
		}
		if (ret < 0)
			fail_msg("%s, %s: %d, %s", what, step->name, ret, tmc_error_text());
	}
	faults_disarm();
	return failed;
}

enum effect { /* of the fault on the step that meets it */
	EFFECT_ANY,
	EFFECT_NONE,
	EFFECT_ERROR,
};

static void sweep_scenario(struct fixture *fixture, const struct scenario *scenario,
			   enum fault fault, unsigned int step, enum effect effect)
{
	unsigned int nr_runs = 0, nr_failed = 0;
	unsigned int at = 1;

	for (;; at += step) {
		struct world world;
		const char *failed;
		char what[64];

		world_init(&world, fixture->path);
		snprintf(what, sizeof(what), "call %u", at);
		faults_arm(fault, at);
		failed = run_steps(scenario, &world, what);
		if (failed && effect == EFFECT_NONE)
			fail_msg("%s: %s failed", what, failed);
		if (!failed && faults_fired() && effect == EFFECT_ERROR)
			fail_msg("%s: nobody noticed", what);
		if (faults_sync_was_ignored())
			fail_msg("%s: a file was used on, or synced again, after its sync had failed", what);
		world_expect_sound(&world, scenario->nr_steps, what);
		world_exit(&world);
		nr_runs++;
		nr_failed += failed != NULL;
		if (!faults_fired())
			break;
	}
	print_message("%s: %u calls, %u runs, %u of them with a step that failed\n", scenario->name,
		      at - 1, nr_runs, nr_failed);
	assert_true(at > 15);
	assert_true(effect == EFFECT_NONE || nr_failed > 5);
}

static void sweep(struct fixture *fixture, enum fault fault, unsigned int step, enum effect effect)
{
	for (unsigned int i = 0; i < nr_scenarios; i++)
		sweep_scenario(fixture, &scenarios[i], fault, i ? stride(3 * step + 1) : step, effect);
}

static void any_call_of_the_system_can_fail(void **state)
{
	sweep(*state, FAULT_EIO, stride(3), EFFECT_ANY);
}

static void the_disk_can_be_full_at_any_call(void **state)
{
	sweep(*state, FAULT_ENOSPC, 1, EFFECT_ANY);
}

static void any_call_can_be_interrupted(void **state)
{
	sweep(*state, FAULT_EINTR, stride(9), EFFECT_NONE);
}

static void any_transfer_can_be_short(void **state)
{
	sweep(*state, FAULT_SHORT, 1, EFFECT_NONE);
}

static void any_allocation_can_fail(void **state)
{
	sweep(*state, FAULT_MEMORY, 1, EFFECT_ANY);
}

/* Whatever it is: a chunk or a node, of a first backup or of a later one. */
static void any_compression_can_be_wrong(void **state)
{
	sweep(*state, FAULT_CODEC, 1, EFFECT_ERROR);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(any_call_of_the_system_can_fail),
		T(the_disk_can_be_full_at_any_call),
		T(any_call_can_be_interrupted),
		T(any_transfer_can_be_short),
		T(any_allocation_can_fail),
		T(any_compression_can_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

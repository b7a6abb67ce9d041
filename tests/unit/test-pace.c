// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * How far a sweep gets at its pace, by clocks of the test's own.
 */
#include "agent/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#define SECOND_NS 1000000000ull
#define START_NS  (1000 * SECOND_NS)
#define MIB       (1ull << 20)

/* At START_NS, when the process has used CPU_NS. */
#define CPU_NS (5 * SECOND_NS)
static struct pace pace_at_start(uint64_t bytes_per_second, unsigned int cpu_percent)
{
	struct pace pace;

	pace_init(&pace, bytes_per_second, cpu_percent);
	pace.bytes_due_ns = pace.cpu_due_ns = START_NS;
	pace.cpu_seen_ns = CPU_NS;
	return pace;
}

static void no_limit_is_no_wait(void **state)
{
	struct pace pace = pace_at_start(0, 0);

	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(pace_due_ns(&pace, MIB, START_NS + i, CPU_NS * i), START_NS + i);
}

static void a_bucket_is_empty_at_first(void **state)
{
	struct pace pace = pace_at_start(4 * MIB, 0);

	assert_int_equal(pace_due_ns(&pace, MIB, START_NS, CPU_NS), START_NS + SECOND_NS / 4);
}

/* Two threads, each of which waits for its own. */
static void threads_share_one_rate(void **state)
{
	struct pace pace = pace_at_start(4 * MIB, 0);

	for (uint64_t i = 1; i <= 8; i += 2) {
		uint64_t now_ns = START_NS + (i - 1) * SECOND_NS / 4;

		assert_int_equal(pace_due_ns(&pace, MIB, now_ns, CPU_NS),
				 START_NS + i * SECOND_NS / 4);
		assert_int_equal(pace_due_ns(&pace, MIB, now_ns, CPU_NS),
				 START_NS + (i + 1) * SECOND_NS / 4);
	}
}

/* Whatever pauses there are, from no moment on is there more than the rate and a second's. */
static void no_burst_is_larger_than_a_second(void **state)
{
	static const uint64_t pauses_ns[] = {0, SECOND_NS / 2, SECOND_NS, 3600 * SECOND_NS};

	for (size_t i = 0; i < sizeof(pauses_ns) / sizeof(pauses_ns[0]); i++) {
		struct pace pace = pace_at_start(8 * MIB, 0);
		uint64_t now_ns = START_NS + pauses_ns[i], bytes = 0;

		while (pace_due_ns(&pace, MIB, now_ns, CPU_NS) <= now_ns)
			bytes += MIB;
		assert_int_equal(bytes, pauses_ns[i] < SECOND_NS ?
				 8 * MIB * pauses_ns[i] / SECOND_NS : 8 * MIB);
	}
}

static void over_time_it_is_the_rate(void **state)
{
	struct pace pace = pace_at_start(50 * MIB, 0);
	uint64_t now_ns = START_NS, bytes = 0;
	unsigned int seed = 7;

	while (now_ns < START_NS + 100 * SECOND_NS) {
		uint64_t run = 1 + (uint64_t)rand_r(&seed) % MIB;
		uint64_t due_ns = pace_due_ns(&pace, run, now_ns, CPU_NS);

		/* Some reads take long, and are made up for. */
		now_ns = (due_ns > now_ns ? due_ns : now_ns) + (uint64_t)rand_r(&seed) % (SECOND_NS / 80);
		bytes += run;
	}
	assert_in_range(bytes, 4990 * MIB, 5060 * MIB);
}

static void numbers_at_the_ends_make_sense(void **state)
{
	struct pace slow = pace_at_start(1, 1), fast = pace_at_start(UINT64_MAX, 10000);

	assert_int_equal(pace_due_ns(&slow, MIB, START_NS, CPU_NS), START_NS + MIB * SECOND_NS);
	assert_int_equal(pace_due_ns(&fast, MIB, START_NS, CPU_NS), START_NS);
	slow = pace_at_start(1, 0);
	slow.bytes_due_ns = 0; /* a clock that has just begun */
	assert_int_equal(pace_due_ns(&slow, 1, 5, CPU_NS), SECOND_NS);
}

static void what_a_second_allows_is_spread_over_it(void **state)
{
	assert_int_equal(pace_run_chunks(0, 65536), 16);
	assert_int_equal(pace_run_chunks(UINT64_MAX, 4096), 256);
	assert_int_equal(pace_run_chunks(8 * MIB, 65536), 4);
	assert_int_equal(pace_run_chunks(8 * MIB, 4096), 64);
	assert_int_equal(pace_run_chunks(MIB, 65536), 1);
	assert_int_equal(pace_run_chunks(1, MIB), 1);
}

static void processor_time_is_earned_as_well(void **state)
{
	struct pace pace = pace_at_start(0, 50);

	assert_int_equal(pace_due_ns(&pace, MIB, START_NS, CPU_NS), START_NS);
	assert_int_equal(pace_due_ns(&pace, MIB, START_NS, CPU_NS + 100), START_NS + 200);
	/* Asked again, the same is not paid for twice. */
	assert_int_equal(pace_due_ns(&pace, MIB, START_NS + 10, CPU_NS + 100), START_NS + 200);
	/* By a thread that has looked at the clock before the other one. */
	assert_int_equal(pace_due_ns(&pace, MIB, START_NS + 20, CPU_NS + 50), START_NS + 200);
	assert_int_equal(pace_due_ns(&pace, MIB, START_NS + 100, CPU_NS + 200), START_NS + 400);
}

static void idle_processor_time_is_kept_for_a_second(void **state)
{
	struct pace pace = pace_at_start(0, 25);
	uint64_t now_ns = START_NS + 3600 * SECOND_NS;

	assert_int_equal(pace_due_ns(&pace, 0, now_ns, CPU_NS + SECOND_NS / 4), now_ns);
	assert_int_equal(pace_due_ns(&pace, 0, now_ns, CPU_NS + SECOND_NS / 2), now_ns + SECOND_NS);
}

static void the_scarcer_of_both_counts(void **state)
{
	struct pace pace = pace_at_start(MIB, 50);

	assert_int_equal(pace_due_ns(&pace, MIB, START_NS, CPU_NS + 1), START_NS + SECOND_NS);
	assert_int_equal(pace_due_ns(&pace, MIB, START_NS, CPU_NS + 3 * SECOND_NS),
			 START_NS + 6 * SECOND_NS);
}

static int stop_at_zero(void *context)
{
	int *left = context;

	return *left ? --*left, 0 : -ECANCELED;
}

static void a_wait_can_be_ended(void **state)
{
	struct pace pace;
	int left = 2;

	pace_init(&pace, 1, 0);
	assert_int_equal(pace_wait(&pace, MIB, stop_at_zero, &left), -ECANCELED);
	assert_int_equal(left, 0);
}

static void who_need_not_wait_is_asked_all_the_same(void **state)
{
	struct pace pace;
	int left = 1;

	pace_init(&pace, 0, 0);
	assert_int_equal(pace_wait(&pace, MIB, stop_at_zero, &left), 0);
	assert_int_equal(pace_wait(&pace, MIB, stop_at_zero, &left), -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_is_no_wait),
		cmocka_unit_test(a_bucket_is_empty_at_first),
		cmocka_unit_test(threads_share_one_rate),
		cmocka_unit_test(no_burst_is_larger_than_a_second),
		cmocka_unit_test(over_time_it_is_the_rate),
		cmocka_unit_test(numbers_at_the_ends_make_sense),
		cmocka_unit_test(what_a_second_allows_is_spread_over_it),
		cmocka_unit_test(processor_time_is_earned_as_well),
		cmocka_unit_test(idle_processor_time_is_kept_for_a_second),
		cmocka_unit_test(the_scarcer_of_both_counts),
		cmocka_unit_test(a_wait_can_be_ended),
		cmocka_unit_test(who_need_not_wait_is_asked_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

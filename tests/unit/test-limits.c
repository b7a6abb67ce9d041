// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Limits as people write them, and the I/O class as the kernel knows it.
 */
#include "agent/io_class.h"
#include "agent/limits.h"
#include "common/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define IDLE      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)

static void rates_are_sizes_from_a_mebibyte_on(void **state)
{
	static const char *const bad[] = {"", "fast", "50", "1023K", "-1M", "50M/s", "1.5M", "16E"};
	uint64_t rate = 1;

	assert_int_equal(limits_parse_rate("50M", &rate), 0);
	assert_int_equal(rate, 50u << 20);
	assert_int_equal(limits_parse_rate("1M", &rate), 0);
	assert_int_equal(rate, 1u << 20);
	assert_int_equal(limits_parse_rate("0", &rate), 0);
	assert_int_equal(rate, 0);
	for (size_t i = 0; i < NR(bad); i++) {
		assert_int_equal(limits_parse_rate(bad[i], &rate), -EINVAL);
		assert_non_null(strstr(failure_text(), "from 1M on"));
	}
	assert_int_equal(rate, 0);
}

static void shares_are_percents_of_a_processor(void **state)
{
	static const char *const bad[] = {
		"", "%", "50", "0%", "-1%", "10001%", "100000%", "50%%", "50 %", "half",
	};
	unsigned int percent = 0;

	assert_int_equal(limits_parse_cpu_share("1%", &percent), 0);
	assert_int_equal(percent, 1);
	assert_int_equal(limits_parse_cpu_share("10000%", &percent), 0);
	assert_int_equal(percent, 10000);
	for (size_t i = 0; i < NR(bad); i++) {
		assert_int_equal(limits_parse_cpu_share(bad[i], &percent), -EINVAL);
		assert_non_null(strstr(failure_text(), "1% to 10000%"));
	}
	assert_int_equal(percent, 10000);
}

static void classes_are_those_of_ionice(void **state)
{
	static const char *const bad[] = {
		"", "Idle", "idle:0", "best", "best-effort:", "best-effort:8", "best-effort:-1",
		"best-effort:07", "best-effort 1", "best-effort1", "realtime", "none", "3",
	};
	int io_class = 0;

	assert_int_equal(limits_parse_io_class("idle", &io_class), 0);
	assert_int_equal(io_class, IDLE);
	assert_int_equal(limits_parse_io_class("best-effort", &io_class), 0);
	assert_int_equal(io_class, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4));
	assert_int_equal(limits_parse_io_class("best-effort:0", &io_class), 0);
	assert_int_equal(io_class, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 0));
	assert_int_equal(limits_parse_io_class("best-effort:7", &io_class), 0);
	for (size_t i = 0; i < NR(bad); i++) {
		assert_int_equal(limits_parse_io_class(bad[i], &io_class), -EINVAL);
		assert_non_null(strstr(failure_text(), "give idle, best-effort"));
	}
	assert_int_equal(io_class, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
}

static long class_of_thread(void)
{
	return syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
}

static void *enter_idle(void *context)
{
	assert_int_equal(io_class_enter(IDLE), 0);
	assert_int_equal(class_of_thread(), IDLE);
	assert_int_equal(io_class_enter(0), 0);
	*(long *)context = class_of_thread();
	io_class_leave();
	assert_int_not_equal(class_of_thread(), IDLE);
	return NULL;
}

static void a_class_is_that_of_one_thread(void **state)
{
	long before = class_of_thread(), within = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, enter_idle, &within), 0);
	pthread_join(thread, NULL);
	assert_int_equal(within, IDLE);
	assert_int_equal(class_of_thread(), before);
}

static void what_the_kernel_refuses_is_said(void **state)
{
	/* There is no class 7, so it is refused to everybody. */
	assert_int_equal(io_class_enter(IOPRIO_PRIO_VALUE(7, 0)), -EINVAL);
	assert_non_null(strstr(failure_text(), "leave it out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_sizes_from_a_mebibyte_on),
		cmocka_unit_test(shares_are_percents_of_a_processor),
		cmocka_unit_test(classes_are_those_of_ionice),
		cmocka_unit_test(a_class_is_that_of_one_thread),
		cmocka_unit_test(what_the_kernel_refuses_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The page by which one process hands a channel over to the next: whatever it is killed at, what
 * is read is one whole handover, or none.
 */
#include "agent/handover.h"
#include "common/failure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct handover make(uint64_t n)
{
	struct handover handover = {
		.position = 64 * n, .module_seq = n, .seq = n + 1000, .stretch = 7, .first_seq = 1,
		.ring_bytes = 65536, .volume_id = "volume",
	};

	memset(&handover.segment, (int)n, sizeof(handover.segment));
	return handover;
}

static void assert_reads(const struct handover_page *page, uint64_t n)
{
	struct handover expected = make(n), seen;

	assert_int_equal(handover_read(page, &seen), 0);
	assert_memory_equal(&seen, &expected, sizeof(seen));
}

static void the_latest_one_is_read(void **state)
{
	struct handover_page page = {0};
	struct handover seen;

	assert_int_equal(handover_read(&page, &seen), -ENODATA);
	for (uint64_t n = 1; n < 10; n++) {
		struct handover handover = make(n);

		handover_write(&page, &handover);
		assert_reads(&page, n);
	}
	handover_erase(&page);
	assert_int_equal(handover_read(&page, &seen), -ENODATA);
}

/* Of the bytes that a write changes any may have been written, and the others not. */
static void a_write_that_is_cut_off_leaves_the_one_before(void **state)
{
	for (unsigned int round = 0; round < 2000; round++) {
		struct handover_page before = {0}, after, torn;
		uint64_t n = 1 + round % 5;

		for (uint64_t i = 1; i <= n; i++) {
			struct handover handover = make(i);

			handover_write(&before, &handover);
		}
		after = before;
		{
			struct handover handover = make(n + 1);

			handover_write(&after, &handover);
		}
		torn = before;
		for (size_t i = 0; i < sizeof(torn); i++)
			if (random() % 2)
				((uint8_t *)&torn)[i] = ((const uint8_t *)&after)[i];
		if (memcmp(&torn, &after, sizeof(torn)) != 0)
			assert_reads(&torn, n);
	}
}

static void each_flipped_bit_is_seen(void **state)
{
	struct handover handover = make(3), seen;
	struct handover_page good = {0};

	handover_write(&good, &handover);
	for (size_t bit = 0; bit < sizeof(good.copies[0]) * 8; bit++) {
		struct handover_page page = good;
		struct handover_copy *whole = &page.copies[page.copies[0].magic ? 0 : 1];

		((uint8_t *)whole)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(handover_read(&page, &seen) < 0);
	}
}

static void one_of_another_version_is_refused(void **state)
{
	struct handover handover = make(3), seen;
	struct handover_page page = {0};

	handover_write(&page, &handover);
	handover_write(&page, &handover);
	page.copies[0].version++;
	assert_int_equal(handover_read(&page, &seen), 0);
	page.copies[1].version++;
	assert_int_equal(handover_read(&page, &seen), -EPROTONOSUPPORT);
}

static void a_text_without_an_end_is_ended(void **state)
{
	struct handover handover = make(3), seen;
	struct handover_page page = {0};

	memset(handover.volume_id, 'x', sizeof(handover.volume_id));
	handover_write(&page, &handover);
	assert_int_equal(handover_read(&page, &seen), 0);
	assert_int_equal(strlen(seen.volume_id), sizeof(seen.volume_id) - 1);
}

static void a_page_has_one_living_owner(void **state)
{
	struct handover_page page = {0};

	assert_int_equal(handover_claim(&page), 0);
	assert_int_equal(page.owner, handover_owner((uint32_t)getpid()));
	assert_int_equal(handover_claim(&page), 0);
	page.owner = handover_owner((uint32_t)getppid());
	assert_int_equal(handover_claim(&page), -EBUSY);
	page.owner ^= 1; /* an earlier process with the same id */
	assert_int_equal(handover_claim(&page), 0);
	page.owner = UINT64_MAX;
	assert_int_equal(handover_claim(&page), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_one_is_read),
		cmocka_unit_test(a_write_that_is_cut_off_leaves_the_one_before),
		cmocka_unit_test(each_flipped_bit_is_seen),
		cmocka_unit_test(one_of_another_version_is_refused),
		cmocka_unit_test(a_text_without_an_end_is_ended),
		cmocka_unit_test(a_page_has_one_living_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

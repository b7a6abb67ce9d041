// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The map that scripts depend on.
 */
#include "cli/exit_status.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void each_outcome_has_its_number(void **state)
{
	static const struct {
		int error;
		int status;
	} map[] = {
		{0, 0}, {-EIO, 1}, {-ENOMEM, 1}, {-ECANCELED, 1}, {-ESTALE, 1}, {-EPROTO, 1},
		{-EACCES, 1}, {-EROFS, 1}, {-EPROTONOSUPPORT, 1}, {-ENODEV, 1},
		{-ECHILD, 1}, {-ETIMEDOUT, 1},
		{-EINVAL, 2}, {-ERANGE, 2}, {-ENOTUNIQ, 2},
		{-ETXTBSY, 3}, {-EEXIST, 3}, {-ENOTEMPTY, 3}, {-ENOEXEC, 3},
		{-ENOENT, 4}, {-ENXIO, 4}, {-ENOTBLK, 4}, {-EMEDIUMTYPE, 4},
		{-EBADMSG, 5}, {-EPERM, 6}, {-ENOPKG, 6}, {-ENOKEY, 6},
		{-EKEYREJECTED, 6}, {-EBUSY, 7}, {-EALREADY, 7},
		{-ENOSPC, 8}, {-EDQUOT, 8},
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		assert_int_equal(exit_status_of(map[i].error), map[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_has_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

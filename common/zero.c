// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blocks of eight words are ORed together, a form that the compiler turns into
 * vector code, and looked at once per block: data that is not zero is left early.
 */
#include "common/zero.h"

#include <stdint.h>
#include <string.h>

bool is_zero(const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes >= 64) {
		uint64_t w[8];

		memcpy(w, p, sizeof(w));
		if ((w[0] | w[1]) | (w[2] | w[3]) | (w[4] | w[5]) | (w[6] | w[7]))
			return false;
		p += sizeof(w);
		bytes -= sizeof(w);
	}
	while (bytes--)
		if (*p++)
			return false;
	return true;
}

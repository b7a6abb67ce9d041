// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One sentence per thread, cut off at the size of its buffer. A thread that
 * fails on behalf of another has to hand its text over itself.
 */
#include "common/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char latest[2048];

int failure_set(int error, const char *format, ...)
{
	char text[sizeof(latest)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(latest, text, sizeof(latest));
	return error;
}

const char *failure_text(void)
{
	return latest;
}

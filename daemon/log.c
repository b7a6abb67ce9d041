// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

/* The variable is inherited by whatever a service starts, a shell in a terminal among it:
 * it counts where standard error is still what it names. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void to_journal(enum log_priority priority, const char *volume, const char *text)
{
	if (volume)
		sd_journal_send("MESSAGE=%s: %s", volume, text, "PRIORITY=%d", (int)priority,
				"TIDEMARK_VOLUME=%s", volume, NULL);
	else
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", (int)priority, NULL);
}

void log_say(enum log_priority priority, const char *volume, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (stderr_is_journal())
		to_journal(priority, volume, text);
	else
		fprintf(stderr, "tidemarkd: %s%s%s\n", volume ? volume : "", volume ? ": " : "", text);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * MCL_ONFAULT: thread stacks and pools are locked page by page as they are used,
 * not at once in their full size. Locks of memory are not inherited; being an
 * I/O flusher is, by threads, by children and by the programs that they become.
 */
#include "agent/resident.h"

#include <linux/prctl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57 /* Linux 5.6 */
#define PR_GET_IO_FLUSHER 58
#endif

static _Thread_local bool paused;

void resident_enter(void)
{
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

void resident_pause(void)
{
	paused = prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1;
	if (paused)
		prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
}

void resident_resume(void)
{
	if (paused)
		prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	paused = false;
}

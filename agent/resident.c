// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * MCL_ONFAULT: thread stacks and pools are locked page by page as they are used,
 * not at once in their full size.
 */
#include "agent/resident.h"

#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57 /* Linux 5.6 */
#endif

void resident_enter(void)
{
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The C library has no call for it.
 */
#include "agent/io_class.h"
#include "common/failure.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int io_class_enter(int io_class)
{
	if (!io_class || syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, io_class) == 0)
		return 0;
	return failure_set(-errno, "the I/O class cannot be set: %s; leave it out", strerror(errno));
}

void io_class_leave(void)
{
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0));
}

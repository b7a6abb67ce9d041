/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The I/O class of the calling thread, and of no other one: threads that drain a ring keep
 * theirs. It counts where the disk's scheduler knows of it.
 */
#ifndef AGENT_IO_CLASS_H
#define AGENT_IO_CLASS_H

#include <linux/ioprio.h>

/**
 * io_class: IOPRIO_PRIO_VALUE(); 0: stay in that of the process. Errors, with a sentence:
 * -EPERM, -EINVAL (no class).
 */
int io_class_enter(int io_class);

/** To that which goes with the nice value. */
void io_class_leave(void);

#endif

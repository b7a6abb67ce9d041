/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_HOOK_H
#define TM_HOOK_H

#include <linux/types.h>

struct bio;

/*
 * The hook's backend: where the kernel hands us bios. Another backend (a call
 * patched into a kernel without ftrace, for tests) implements the same calls.
 *
 * tm_hook_start: from now on, each bio submitted by submit_bio_noacct() for which
 * tm_interposer_wants() is true goes to tm_interposer_submit() first. Calls nest.
 * -EBUSY: ftrace is off, or another user (a live patch) redirects that function.
 *
 * tm_hook_stop: undoes one start. After the last one no CPU is inside, or on its
 * way into, tm_interposer_submit(). Both may sleep.
 */
int tm_hook_init(void);
void tm_hook_exit(void);
int tm_hook_start(void);
void tm_hook_stop(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where copies of channels' descriptors outlive a protection, and a process: by the name of
 * the volume. Functions are called from several threads.
 */
#ifndef AGENT_CHANNEL_STORE_H
#define AGENT_CHANNEL_STORE_H

struct channel_store {
	/** Returns a descriptor, which is the caller's; -1: there is none. */
	int (*take)(void *context, const char *name);
	/** Keeps a copy, and no other one of that name. A failure is none: nothing is kept then. */
	void (*put)(void *context, const char *name, int fd);
	/** Gives up what is there of that name, before this returns as far as can be told. */
	void (*drop)(void *context, const char *name);
	void *context;
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a disk may hold after a power cut in the middle of a trace.
 */
#ifndef TESTS_UNIT_CRASH_STATES_H
#define TESTS_UNIT_CRASH_STATES_H

#include "trace.h"

#include <stdbool.h>

struct crash_states {
	const struct trace *trace;
	const char *path;    /* where the directory is rebuilt */
	const char *scratch; /* names below this one never matter: "sessions" */
	/** The directory is as a cut may leave it after nr_done steps have returned. */
	void (*judge)(void *context, unsigned int nr_done, const char *where);
	void *context;
	size_t ret_nr_states; /* that were thought of */
	size_t ret_nr_judged; /* that differ in what a repository can see */
};

/**
 * After every call of the trace: with all, none, all but one or two, and only one or
 * two of the calls that no sync covers; with names and no data, and the other way
 * round; and with each write that is not synced torn at 512 and 4096 bytes: cut off
 * after any sector, its last part or every other one missing, or zeros.
 */
void crash_states_judge(struct crash_states *states);

/** Rebuild what the whole trace ends in, as if nothing had been lost. */
void crash_states_build_end(struct crash_states *states);

#endif

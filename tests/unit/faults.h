/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Lets the n-th call fail: of the system, through io_ops, of the compressor, or of an
 * allocator. The allocator's calls fail in tests that are linked with libunit-faults.a, in which
 * the library's malloc and its like are those below.
 */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <stdbool.h>

enum fault {
	FAULT_NONE,
	FAULT_EIO,    /* of any call */
	FAULT_ENOSPC, /* of a call that needs room */
	FAULT_EINTR,  /* of a call that has to be tried again */
	FAULT_SHORT,  /* half a transfer */
	FAULT_KILL,   /* this call and all later ones that change something do nothing */
	FAULT_MEMORY, /* an allocation; also a thread or a hash context that cannot be had */
	FAULT_CODEC,  /* a bit of what the compressor makes is wrong */
};

/** The at-th call from now on, from 1, has the fault. */
void faults_arm(enum fault fault, unsigned int at);
void faults_disarm(void);
/** Whether it has come to that since faults_arm(). */
bool faults_fired(void);
/** Whether a file was synced again, or got its name, after its sync had failed. */
bool faults_sync_was_ignored(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Between cut and commit the disk that is backed up may wait for us: for at most
 * stall_ms, but the cut is lost then. So no page of ours may be swapped out to
 * that disk, and no allocation of ours may wait for writes to it.
 */
#ifndef AGENT_RESIDENT_H
#define AGENT_RESIDENT_H

/**
 * Lock this process's memory, present and future, as it is touched, and mark it
 * as part of the I/O path. Both are done where allowed; without them a backup
 * is as correct, but likelier to lose a cut. Call it before threads start, they
 * inherit it.
 */
void resident_enter(void);

/**
 * What the calling thread starts between these two is no part of the I/O path, which
 * programs inherit: it may wait for writes to that disk as any other.
 */
void resident_pause(void);
void resident_resume(void);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The visible presence of a program that uses the repository: docs/repository.md
 * says what it is for. Invariants 2, 4 and 6 stand on it.
 */
#ifndef CATALOG_SESSION_H
#define CATALOG_SESSION_H

#include "tidemark.h"

struct tmc_store;
struct tmc_session; /**< may be shared by threads */

/** By the store's clock, but for renew_ns; a test changes them before a session begins. */
struct tmc_session_times {
	uint64_t renew_ns; /* how often a living session says so */
	uint64_t dead_ns;  /* how long ago it did so at least, to be taken for dead */
};
extern struct tmc_session_times tmc_session_times;

/** task: one word for others to read. A thread keeps it alive until it ends. */
int tmc_session_begin(struct tmc_store *store, const char *task, struct tmc_session **ret_session);
/** NULL is no session. */
void tmc_session_end(struct tmc_session *session);

/** Where its drafts lie: "sessions/<32 hex digits>". */
const char *tmc_session_directory(const struct tmc_session *session);

/** True, with its sentence, once somebody has taken it for dead and broken it. */
bool tmc_session_is_lost(struct tmc_session *session);

/** What the store's clock says now. */
int tmc_session_now(struct tmc_session *session, uint64_t *ret_ns);

/** Say that these dooms are avoided from now on; once. */
int tmc_session_avoid(struct tmc_session *session, const struct tmc_id *dooms, size_t nr);

/** The same of all dooms that there are and will be: it takes nothing from what there is. */
int tmc_session_avoid_all(struct tmc_session *session);

/* ---------------------------------------------------------------------- others */

#define TMC_SESSION_NAME  33 /* 32 hex digits and the final NUL */
#define TMC_SESSION_WORDS 64

/** Somebody's session, as another one sees it. */
struct tmc_session_info {
	char name[TMC_SESSION_NAME];
	char host[TMC_SESSION_WORDS]; /* printable; "?" where it does not say */
	char process[TMC_SESSION_WORDS];
	char task[TMC_SESSION_WORDS];
	bool dead;
};

/**
 * All sessions but ours, freed with free(). Errors: also -EIO, where the list
 * cannot be true because ours is not in it.
 */
int tmc_session_list(struct tmc_session *session, struct tmc_session_info **ret_infos,
		     size_t *ret_nr);

/** Whether it has said that it avoids a doom; false too where that cannot be read. */
bool tmc_session_avoids(struct tmc_session *session, const struct tmc_session_info *other,
			const struct tmc_id *doom);

/** Whether it is there no more: it ended, or was broken. */
bool tmc_session_is_gone(struct tmc_session *session, const struct tmc_session_info *other);

/** Invariant 4: once this returns 0, the other one publishes nothing more. */
int tmc_session_break(struct tmc_session *session, const struct tmc_session_info *other);

/** Break all that are dead, as far as that works. */
void tmc_session_break_dead(struct tmc_session *session);

#endif

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The order of a prune: docs/repository.md has the steps and the invariants. The
 * sweep of earlier dooms comes first, for what it removes need not be looked at; with
 * no grace the new doom is swept as well.
 */
#include "catalog/prune.h"

#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TASK "prune"

void tmc_prune_say(const struct tmc_prune *prune, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!prune->options->say)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	prune->options->say(prune->options->context, text);
}

uint64_t tmc_prune_bytes(const struct tmc_prune *prune, enum tmc_store_kind kind,
			 const struct tmc_id *id)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;

	return tmc_store_get(prune->repo->store, kind, id, &fd, &bytes) < 0 ? 0 : bytes;
}

/* Two at once would be right (invariant 7) and do everything twice. */
static int check_alone(struct tmc_prune *prune)
{
	CLEANUP_FREE struct tmc_session_info *others = NULL;
	struct tmc_session *session = tmc_store_session(prune->repo->store);
	size_t nr;
	int ret;

	tmc_session_break_dead(session);
	ret = tmc_session_list(session, &others, &nr);
	for (size_t i = 0; !ret && i < nr; i++)
		if (!others[i].dead && !strcmp(others[i].task, TASK))
			ret = failure_set(-EBUSY, "another prune is running: process %s on %s",
					  others[i].process, others[i].host);
	return ret;
}

static uint64_t sum_up(const struct tmc_prune *prune, enum tmc_store_kind kind,
		       const struct tmc_id_list *list)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->nr; i++)
		bytes += tmc_prune_bytes(prune, kind, &list->ids[i]);
	return bytes;
}

/* What is doomed and still there, whoever has doomed it. */
static int count_pending(struct tmc_prune *prune)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	int ret = tmc_dooms_load(prune->repo->store, prune->repo->keys, &dooms);

	prune->result->pending_bytes = 0;
	for (size_t i = 0; !ret && i < dooms.nr; i++) {
		const struct tmc_doom *doom = &dooms.dooms[i];

		prune->result->pending_bytes += sum_up(prune, TMC_STORE_PACK, &doom->packs) +
						sum_up(prune, TMC_STORE_JOURNAL, &doom->segments);
	}
	return ret;
}

static int run(struct tmc_prune *prune)
{
	const struct tmc_prune_options *options = prune->options;
	int ret = check_alone(prune);

	if (!ret)
		ret = tmc_session_now(tmc_store_session(prune->repo->store), &prune->now_ns);
	if (!ret && !options->dry_run)
		ret = tmc_prune_sweep(prune);
	if (!ret)
		ret = tmc_prune_mark(prune);
	if (!ret && !options->dry_run && !options->grace_ns) {
		prune->result->waiting_dooms = 0; /* they are met again */
		ret = tmc_prune_sweep(prune);
	}
	return ret ? ret : count_pending(prune);
}

int tmc_prune(struct tmc_repo *repo, const struct tmc_prune_options *options,
	      struct tmc_prune_result *ret_result)
{
	struct tmc_prune prune = { .repo = repo, .options = options, .result = ret_result };
	int ret = tmc_keys_check(repo->keys);

	*ret_result = (struct tmc_prune_result){ 0 };
	if (!ret && options->repack_below_percent > 100)
		ret = failure_set(-EINVAL, "a pack is never needed by more than 100 percent");
	if (!ret)
		ret = tmc_repo_begin_prune(repo, TASK);
	if (ret < 0)
		return ret;
	ret = run(&prune);
	tmc_repo_end_prune(repo);
	return ret;
}

static int sweep_journal(struct tmc_prune *prune)
{
	int ret = check_alone(prune);

	if (!ret)
		ret = tmc_session_now(tmc_store_session(prune->repo->store), &prune->now_ns);
	return ret ? ret : tmc_prune_sweep(prune);
}

int tmc_journal_sweep(struct tmc_repo *repo, uint64_t grace_ns, uint64_t *ret_bytes)
{
	const struct tmc_prune_options options = { .grace_ns = grace_ns };
	struct tmc_prune_result result = { 0 };
	struct tmc_prune prune = {
		.repo = repo, .options = &options, .result = &result, .journal_only = true,
	};
	int ret = tmc_keys_check(repo->keys);

	if (!ret)
		ret = tmc_repo_begin_prune(repo, TASK);
	if (ret < 0)
		return ret;
	ret = sweep_journal(&prune);
	tmc_repo_end_prune(repo);
	*ret_bytes = result.freed_bytes;
	return ret;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Dooms and ledgers that cannot be read. They keep everybody from writing, and this
 * repair as well, so they are dealt with before anything else. docs/repository.md,
 * section Repair, says why a doom may go once nobody else is there.
 */
#include "catalog/repair.h"

#include "catalog/generation.h"
#include "catalog/session.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct damaged {
	struct tmc_id_list dooms, ledgers;
};

static void clear_damaged(struct damaged *damaged)
{
	tmc_id_list_clear(&damaged->dooms);
	tmc_id_list_clear(&damaged->ledgers);
}

static int load(struct tmc_repo *repo, enum tmc_store_kind kind, const struct tmc_id *id)
{
	struct tmc_doom doom;
	uint64_t generation;
	int ret;

	if (kind == TMC_STORE_LEDGER)
		return tmc_ledger_load(repo, id, &generation);
	ret = tmc_doom_load(repo->store, repo->keys, id, &doom);
	if (!ret)
		tmc_doom_clear(&doom);
	return ret;
}

static int collect(struct tmc_repair *repair, enum tmc_store_kind kind, struct tmc_id_list *list)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(repair->repo->store, kind, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		ret = load(repair->repo, kind, &ids[i]);
		if (ret == -ENOENT) /* swept, or replaced, since it was listed */
			ret = 0;
		if (!tmc_repair_is_damage(ret))
			continue;
		tmc_repair_say(repair, failure_text());
		ret = tmc_id_list_add(list, &ids[i]);
	}
	return ret;
}

/*
 * Whoever came after our session waits for it before it sweeps, as we do not say that
 * we avoid what we cannot read: invariant 6. So only who was there before can be sweeping.
 */
static int nobody_sweeps(struct tmc_repair *repair)
{
	struct tmc_session *session = tmc_store_session(repair->repo->store);
	CLEANUP_FREE struct tmc_session_info *others = NULL;
	size_t nr = 0;
	int ret;

	tmc_session_break_dead(session);
	ret = tmc_session_list(session, &others, &nr);
	for (size_t i = 0; i < nr && !ret; i++)
		if (!tmc_session_is_gone(session, &others[i]))
			ret = failure_set(-EBUSY, "a damaged list of what a prune was removing can be "
					  "put aside only while nobody else uses the repository: "
					  "\"%s\", process %s on %s, does; repair it again later",
					  others[i].task, others[i].process, others[i].host);
	return ret;
}

static int put_list_aside(struct tmc_repair *repair, enum tmc_store_kind kind,
			  const struct tmc_id_list *list)
{
	int ret = 0;

	for (size_t i = 0; i < list->nr && !ret; i++)
		ret = tmc_repair_put_aside(repair, kind, &list->ids[i]);
	return ret;
}

/* The ledger is durable before what it stands for leaves: invariant 10. */
static int replace(struct tmc_repair *repair, const struct damaged *damaged)
{
	uint64_t generation;
	int ret = damaged->dooms.nr ? nobody_sweeps(repair) : 0;

	if (!ret)
		ret = tmc_generation_bound(repair->repo, &generation);
	if (!ret)
		ret = tmc_generation_keep(repair->repo, generation);
	if (!ret)
		ret = put_list_aside(repair, TMC_STORE_DOOM, &damaged->dooms);
	return ret ? ret : put_list_aside(repair, TMC_STORE_LEDGER, &damaged->ledgers);
}

int tmc_repair_check_dooms(struct tmc_repair *repair)
{
	CLEANUP(clear_damaged) struct damaged damaged = { 0 };
	int ret = collect(repair, TMC_STORE_DOOM, &damaged.dooms);

	if (!ret)
		ret = collect(repair, TMC_STORE_LEDGER, &damaged.ledgers);
	repair->result.damaged_dooms = damaged.dooms.nr;
	repair->result.damaged_ledgers = damaged.ledgers.nr;
	if (ret || !repair->options->apply || !(damaged.dooms.nr + damaged.ledgers.nr))
		return ret;
	return replace(repair, &damaged);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segments of the journal: what a damaged one said nobody knows any more, so it just goes
 * aside. The instants behind it need a later point. One that a doom lists is left to that.
 */
#include "catalog/repair.h"

#include "catalog/doom.h"
#include "catalog/repo.h"
#include "catalog/segment.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

int tmc_repair_check_segments(struct tmc_repair *repair)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_dooms_load(repair->repo->store, repair->repo->keys, &dooms);

	if (tmc_repair_is_damage(ret) && !repair->options->apply)
		ret = 0; /* named before; what it lists counts as not doomed */
	if (!ret)
		ret = tmc_store_list(repair->repo->store, TMC_STORE_JOURNAL, &ids, &nr);
	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_segment segment;

		if (tmc_dooms_list(&dooms, TMC_STORE_JOURNAL, &ids[i]))
			continue;
		ret = tmc_segment_check(repair->repo, &ids[i], true, &segment);
		if (ret == -ENOENT) /* removed since it was listed */
			ret = 0;
		if (!tmc_repair_is_damage(ret))
			continue;
		tmc_repair_say(repair, failure_text());
		repair->result.damaged_segments++;
		ret = 0;
		if (repair->options->apply)
			ret = tmc_repair_put_aside(repair, TMC_STORE_JOURNAL, &ids[i]);
	}
	return ret;
}

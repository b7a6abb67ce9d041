// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segments of the journal: what a damaged one said nobody knows any more, so it just goes
 * aside. The instants behind it need a later point.
 */
#include "catalog/repair.h"

#include "catalog/segment.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

int tmc_repair_check_segments(struct tmc_repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_JOURNAL, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_segment segment;

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

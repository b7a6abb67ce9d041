// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Notes: nothing depends on them, so a damaged one just goes aside.
 */
#include "catalog/repair.h"

#include "catalog/note.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

int tmc_repair_check_notes(struct tmc_repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_NOTE, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_note note;

		ret = tmc_note_load(repair->repo, &ids[i], &note);
		if (ret == -ENOENT) /* replaced since it was listed */
			ret = 0;
		if (!tmc_repair_is_damage(ret))
			continue;
		tmc_repair_say(repair, failure_text());
		repair->result.damaged_notes++;
		ret = 0;
		if (repair->options->apply)
			ret = tmc_repair_put_aside(repair, TMC_STORE_NOTE, &ids[i]);
	}
	return ret;
}

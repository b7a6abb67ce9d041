// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Verification of the journal: each segment, and that each but the oldest of a stretch has its
 * predecessor (docs/journal.md, crash order 1). Where the oldest are gone that is retention. A list
 * is no snapshot: what it lacks is looked for by its name before it is called missing.
 */
#include "catalog/verify.h"

#include "catalog/segment.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>

static void note_damage(struct tmc_verify *verify, const char *text)
{
	tmc_verify_damage_text(verify, text);
	verify->result.damaged_segments++;
}

static bool exists(struct tmc_verify *verify, const struct tmc_id *id)
{
	uint64_t ignored;

	return tmc_store_time(verify->repo->store, TMC_STORE_JOURNAL, id, &ignored) != -ENOENT;
}

/* What repair has put aside it has named: nobody can do more about it. */
static void say_gap(struct tmc_verify *verify, const struct tmc_id *older,
		    const struct tmc_segment *segment)
{
	bool known = tmc_store_is_aside(verify->repo->store, TMC_STORE_JOURNAL, &segment->previous);
	const char *why = known ? ": they were damaged, and put aside" : "";
	char text[TMC_STORE_TEXT];

	snprintf(text, sizeof(text), "records %llu to %llu of stretch %016llx are missing from "
		 "%s/journal%s", (unsigned long long)tmc_segment_id_seq(older) + 1,
		 (unsigned long long)segment->first_seq - 1, (unsigned long long)segment->stretch,
		 tmc_store_path(verify->repo->store), why);
	if (known)
		tmc_verify_note(verify, text);
	else
		note_damage(verify, text);
}

/* older: the one before in the list, of the same stretch. */
static void check_chain(struct tmc_verify *verify, const struct tmc_id *older,
			const struct tmc_segment *segment)
{
	char name[TMC_STORE_TEXT], text[TMC_STORE_TEXT + 100];

	if (tmc_id_equal(&segment->previous, older))
		return;
	if (tmc_segment_id_seq(older) >= segment->first_seq) {
		tmc_store_describe(verify->repo->store, TMC_STORE_JOURNAL, &segment->id, name);
		snprintf(text, sizeof(text), "%s is damaged: another segment of its stretch has "
			 "records of it as well", name);
		note_damage(verify, text);
	} else if (!exists(verify, &segment->previous) && exists(verify, older)) {
		say_gap(verify, older, segment);
	}
}

static int check_segment(struct tmc_verify *verify, const struct tmc_id *id,
			 const struct tmc_id *older)
{
	bool every_byte = verify->options->level == TMC_CHECK_EVERY_BYTE;
	struct tmc_segment segment;
	int ret = tmc_segment_check(verify->repo, id, every_byte, &segment);

	if (ret == -ENOMEM || ret == -ENOENT) /* gone since it was listed */
		return ret == -ENOENT ? 0 : ret;
	verify->result.segments++;
	if (ret < 0)
		note_damage(verify, failure_text());
	if (segment.stretch && older)
		check_chain(verify, older, &segment);
	return 0;
}

/* Of each segment, 0 where it is gone. */
static int sum_up(struct tmc_verify *verify, const struct tmc_id *ids, size_t nr,
		  uint64_t **ret_bytes)
{
	uint64_t *bytes = calloc(nr + 1, sizeof(*bytes));

	if (!bytes)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		CLEANUP_CLOSE int fd = -1;

		tmc_store_get(verify->repo->store, TMC_STORE_JOURNAL, &ids[i], &fd, &bytes[i]);
		verify->total_bytes += bytes[i];
	}
	*ret_bytes = bytes;
	return 0;
}

/* Those that no doom lists. */
static int list_segments(struct tmc_verify *verify, struct tmc_id **ret_ids, size_t *ret_nr)
{
	size_t nr_all = 0;
	int ret = tmc_store_list(verify->repo->store, TMC_STORE_JOURNAL, ret_ids, &nr_all);

	for (size_t i = 0; i < nr_all && !ret; i++)
		if (!tmc_dooms_list(&verify->dooms, TMC_STORE_JOURNAL, &(*ret_ids)[i]))
			(*ret_ids)[(*ret_nr)++] = (*ret_ids)[i];
	return ret;
}

int tmc_verify_segments(struct tmc_verify *verify)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	CLEANUP_FREE uint64_t *bytes = NULL;
	size_t nr = 0;
	int ret = list_segments(verify, &ids, &nr);

	if (!ret)
		ret = sum_up(verify, ids, nr, &bytes);
	for (size_t i = 0; i < nr && !ret; i++) {
		bool is_first = !i || tmc_segment_id_stretch(&ids[i]) !=
					      tmc_segment_id_stretch(&ids[i - 1]);

		ret = check_segment(verify, &ids[i], is_first ? NULL : &ids[i - 1]);
		tmc_verify_progress(verify, bytes[i], verify->options->level ==
				    TMC_CHECK_EVERY_BYTE ? bytes[i] : 0);
	}
	return ret;
}

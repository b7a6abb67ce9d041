// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which image the module's dirty set is relative to: a point that this repository has, or
 * the end of a stretch, which then becomes one. The base names a segment of that stretch;
 * later ones may be there, and are as good (docs/journal.md, "Crash order"), also where it is
 * not kept any more itself.
 */
#include "agent/protection.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const struct protection *p, const struct tmc_point *point)
{
	return strcmp(point->volume.volume_id, p->live.volume.volume_id) == 0 &&
	       point->volume.volume_bytes == p->live.info->volume_bytes &&
	       point->chunk_bytes == p->live.info->chunk_bytes;
}

/* Names begin with stretch and last seq, in the order of bytes. */
#define STRETCH_BYTES 8
#define PLACE_BYTES   16

/* Of the stretch that the base is a segment of, the last seq; 0: it is none of ours. */
static uint64_t end_of_stretch(struct protection *p, uint64_t *ret_stretch)
{
	CLEANUP_FREE struct tmc_segment *segments = NULL;
	uint64_t last_seq = 0;
	size_t nr = 0;

	tmc_segment_list(p->repo, p->live.volume.volume_id, &segments, &nr);
	*ret_stretch = 0;
	for (size_t i = 0; i < nr; i++)
		if (memcmp(&segments[i].id, &p->base, STRETCH_BYTES) == 0 &&
		    memcmp(&segments[i].id, &p->base, PLACE_BYTES) >= 0)
			*ret_stretch = segments[i].stretch;
	for (size_t i = 0; i < nr && *ret_stretch; i++)
		if (segments[i].stretch == *ret_stretch && segments[i].last_seq > last_seq)
			last_seq = segments[i].last_seq;
	return last_seq;
}

static int keep_end_of_stretch(struct protection *p, struct tmc_point *ret_point)
{
	struct tmc_when when = {.kind = TMC_WHEN_SEQ};
	struct tmc_instant instant;
	uint64_t stretch;
	int r;

	when.seq = end_of_stretch(p, &stretch);
	if (!when.seq)
		return failure_set(-ENOENT, "the module's base is nothing that this repository has");
	r = tmc_instant_find(p->repo, p->live.volume.volume_id, &when, &instant);
	if (r == 0 && instant.stretch != stretch)
		return failure_set(-EBADMSG, "seq %" PRIu64 " is there twice", when.seq);
	if (r == 0)
		r = tmc_instant_keep(p->repo, &instant, 0, ret_point);
	return r < 0 ? protection_catalog_failure(r) : 0;
}

/* What is not there, or damaged, will not be there the next time. */
static bool is_lost(int error)
{
	return error == -ENOENT || error == -EBADMSG;
}

/* 1: it is, 0: it is not, or another error: that cannot be said now. */
static int base_is_usable(struct protection *p, struct tmc_point *ret_point)
{
	int r;

	if (!p->has_base)
		return 0;
	r = tmc_point_get(p->repo, &p->base, ret_point);
	if (is_lost(r))
		r = keep_end_of_stretch(p, ret_point);
	else if (r < 0)
		return protection_catalog_failure(r);
	if (r < 0 && !is_lost(r))
		return r;
	if (r < 0)
		protection_say(p, PROTECTION_INFO, "%s; reading everything", failure_text());
	else if (!fits(p, ret_point))
		protection_say(p, PROTECTION_INFO, "holds another volume than before; reading everything");
	else if (ret_point->unreadable_chunks)
		protection_say(p, PROTECTION_INFO, "could not be read as a whole before; reading "
			       "everything");
	else
		return 1;
	return 0;
}

int protection_find_base(struct protection *p, struct tmc_point *ret_point, bool *ret_has_point)
{
	int r = base_is_usable(p, ret_point);

	*ret_has_point = r > 0;
	if (r == 0)
		*ret_has_point = tmc_point_find(p->repo, "latest", p->live.volume.volume_id,
						ret_point) == 0 && fits(p, ret_point);
	return r;
}

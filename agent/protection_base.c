// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which image the module's dirty set is relative to: a point that this repository has (of which
 * chunks may be missing: the part of a scan that came to no end, or what could not be read), or
 * the end of a stretch, which then becomes one. The base names a segment of that stretch;
 * later ones, or points, may be there, and are as good (docs/journal.md, "Crash order"), also
 * where it is not kept any more itself.
 */
#include "agent/protection.h"
#include "common/bytes.h"
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

static uint64_t last_of_segments(struct protection *p, uint64_t stretch)
{
	CLEANUP_FREE struct tmc_segment *segments = NULL;
	uint64_t last_seq = 0;
	size_t nr = 0;

	tmc_segment_list(p->repo, p->live.volume.volume_id, &segments, &nr);
	for (size_t i = 0; i < nr; i++)
		if (segments[i].stretch == stretch && segments[i].last_seq > last_seq)
			last_seq = segments[i].last_seq;
	return last_seq;
}

static uint64_t last_of_exact_points(struct protection *p, uint64_t stretch)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	uint64_t last_seq = 0;
	size_t nr = 0;

	tmc_point_list(p->repo, &points, &nr);
	for (size_t i = 0; i < nr; i++) {
		const struct tmc_moment *moment = &points[i].moment;

		if (moment->stretch == stretch && !moment->settles_seq && moment->seq > last_seq)
			last_seq = moment->seq;
	}
	return last_seq;
}

/*
 * Of the stretch that the base is a segment of, the last seq; 0: it is none of ours. A segment's
 * name begins with its stretch, which is random, and its last seq (docs/format.md).
 */
static uint64_t end_of_stretch(struct protection *p, uint64_t *ret_stretch)
{
	uint64_t stretch = get_be64(p->base.bytes), base_seq = get_be64(p->base.bytes + 8);
	uint64_t last_seq = last_of_segments(p, stretch);
	uint64_t point_seq = last_of_exact_points(p, stretch);

	if (point_seq > last_seq)
		last_seq = point_seq;
	*ret_stretch = stretch;
	return last_seq >= base_seq ? last_seq : 0;
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
	return r < 0 ? catalog_failure(r) : 0;
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
		return catalog_failure(r);
	if (r < 0 && !is_lost(r))
		return r;
	if (r < 0)
		protection_say(p, PROTECTION_INFO, "%s; reading everything", failure_text());
	else if (!fits(p, ret_point))
		protection_say(p, PROTECTION_INFO, "holds another volume than before; reading everything");
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

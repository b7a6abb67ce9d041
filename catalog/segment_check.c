// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * All of a segment compared with what proves it, for verification and repair.
 */
#include "catalog/segment.h"

#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

static void close_cleanup(struct tmc_segment_reader **reader)
{
	tmc_segment_close(*reader);
}

static int check_payloads(struct tmc_segment_reader *reader)
{
	CLEANUP_FREE uint8_t *payload = malloc(TMC_RECORD_BYTES_MAX);
	int ret = payload ? 0 : failure_set(-ENOMEM, "out of memory");

	for (uint32_t n = 0; !ret && n < tmc_segment_nr_records(reader); n++)
		ret = tmc_segment_payload(reader, n, payload);
	return ret;
}

int tmc_segment_check(struct tmc_repo *repo, const struct tmc_id *id, bool every_byte,
		      struct tmc_segment *ret_segment)
{
	CLEANUP(close_cleanup) struct tmc_segment_reader *reader = NULL;
	int ret = tmc_segment_open(repo, id, &reader);

	ret_segment->stretch = 0;
	if (ret < 0)
		return ret;
	*ret_segment = *tmc_segment_info(reader);
	return every_byte ? check_payloads(reader) : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/record_batch.h"

#include <string.h>

static size_t padded(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

void record_batch_clear(struct record_batch *batch)
{
	batch->bytes = 0;
	batch->seal = false;
	batch->ends = false;
}

bool record_batch_add(struct record_batch *batch, const struct ring_record *record)
{
	size_t bytes = sizeof(*record) + padded(record->payload_bytes);

	if (bytes > sizeof(batch->data) - batch->bytes)
		return false;
	memcpy(batch->data + batch->bytes, record, sizeof(*record));
	if (record->payload_bytes)
		memcpy(batch->data + batch->bytes + sizeof(*record), record->payload,
		       record->payload_bytes);
	batch->bytes += bytes;
	return true;
}

bool record_batch_next(const struct record_batch *batch, size_t *at, struct ring_record *ret_record)
{
	if (*at == batch->bytes)
		return false;
	memcpy(ret_record, batch->data + *at, sizeof(*ret_record));
	ret_record->payload = batch->data + *at + sizeof(*ret_record);
	*at += sizeof(*ret_record) + padded(ret_record->payload_bytes);
	return true;
}

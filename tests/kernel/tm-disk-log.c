// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What reached the disk, written down by the disk itself in memory taken beforehand.
 * A record for which there is no room is counted and leaves a gap in the sequence.
 */
#include "tm-disk.h"

#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

int td_log_create(struct td_log *log, u64 size_bytes, bool payload)
{
	log->size_bytes = size_bytes;
	log->payload = payload;
	if (!size_bytes)
		return 0;
	log->data = vzalloc(size_bytes);
	return log->data ? 0 : -ENOMEM;
}

void td_log_destroy(struct td_log *log)
{
	vfree(log->data);
}

void td_log_begin_locked(struct td_log *log, const struct td_record *record)
{
	u64 bytes = sizeof(*record);

	if (!log->data)
		return;
	log->seq++;
	if (log->payload && record->op == TD_WRITE)
		bytes += (u64)record->nr_sectors << SECTOR_SHIFT;
	if (bytes > log->size_bytes - log->used_bytes) {
		log->nr_dropped++;
		return;
	}
	log->open = (struct td_record *)(log->data + log->used_bytes);
	*log->open = *record;
	log->open->seq = log->seq;
	log->open->time_ns = ktime_get_real_ns();
	log->open->hash = TD_HASH_START;
}

void td_log_payload_locked(struct td_log *log, const void *data, unsigned int bytes)
{
	struct td_record *record = log->open;

	if (!record)
		return;
	WARN_ON_ONCE(bytes % 8);
	record->hash = td_hash(record->hash, data, bytes);
	if (!log->payload)
		return;
	memcpy((u8 *)(record + 1) + record->payload_bytes, data, bytes);
	record->payload_bytes += bytes;
}

void td_log_end_locked(struct td_log *log, bool failed)
{
	struct td_record *record = log->open;

	if (!record)
		return;
	if (failed)
		record->flags |= TD_FLAG_FAILED;
	record->record_bytes = sizeof(*record) + record->payload_bytes;
	log->used_bytes += record->record_bytes;
	log->open = NULL;
}

void td_log_note_locked(struct td_log *log, enum td_op op, sector_t sector)
{
	struct td_record record = { .op = op, .sector = sector };

	td_log_begin_locked(log, &record);
	td_log_end_locked(log, false);
}

void td_log_clear_locked(struct td_log *log)
{
	log->used_bytes = 0;
	log->nr_dropped = 0;
}

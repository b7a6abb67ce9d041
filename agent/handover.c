// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whoever reads comes when the writer is gone, be it killed in the middle: a copy that is not
 * whole fails its checksum, and the one before counts. Nothing is read by two at once.
 */
#include "agent/handover.h"
#include "common/cleanup.h"
#include "common/crc32c.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC   0x746d5f7365616d21ull
#define VERSION 1u

/* ------------------------------------------------------------------------- owner */

/* The command's name, in parentheses, may hold anything; the 20th field behind it is the start. */
static uint64_t start_time_in(const char *stat)
{
	const char *p = strrchr(stat, ')');
	unsigned long long ticks = 0;

	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			 "%*d %*d %*d %llu", &ticks) != 1)
		return 0;
	return ticks;
}

uint64_t handover_owner(uint32_t pid)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64], stat[1024];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (got <= 0)
		return 0;
	stat[got] = '\0';
	return (uint64_t)pid << 32 | (uint32_t)start_time_in(stat);
}

int handover_claim(struct handover_page *page)
{
	uint64_t self = handover_owner((uint32_t)getpid());
	uint64_t before = __atomic_load_n(&page->owner, __ATOMIC_ACQUIRE);

	if (!self)
		return failure_set(-EIO, "/proc does not say which process this is");
	if (before == self)
		return 0;
	if ((before && handover_owner((uint32_t)(before >> 32)) == before) ||
	    !__atomic_compare_exchange_n(&page->owner, &before, self, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return failure_set(-EBUSY, "process %" PRIu64 " has it", before >> 32);
	return 0;
}

/* ------------------------------------------------------------------------ copies */

static uint32_t checksum(const struct handover_copy *copy)
{
	size_t from = offsetof(struct handover_copy, count);

	return crc32c(0, (const uint8_t *)copy + from, sizeof(*copy) - from);
}

/* A copy of the copy: nothing that was checked is read again. 0: it is not whole. */
static uint64_t read_copy(const struct handover_copy *copy, struct handover_copy *ret_copy)
{
	memcpy(ret_copy, copy, sizeof(*ret_copy));
	if (ret_copy->magic != MAGIC || ret_copy->version != VERSION ||
	    ret_copy->crc != checksum(ret_copy))
		return 0;
	return ret_copy->count;
}

void handover_write(struct handover_page *page, const struct handover *handover)
{
	struct handover_copy seen;
	uint64_t counts[2] = {
		read_copy(&page->copies[0], &seen), read_copy(&page->copies[1], &seen),
	};
	struct handover_copy *older = &page->copies[counts[0] > counts[1]];
	struct handover_copy copy = {
		.magic = MAGIC,
		.version = VERSION,
		.count = (counts[0] > counts[1] ? counts[0] : counts[1]) + 1,
		.handover = *handover,
	};

	copy.crc = checksum(&copy);
	memcpy(older, &copy, sizeof(copy));
}

void handover_erase(struct handover_page *page)
{
	memset(page->copies, 0, sizeof(page->copies));
}

static int no_handover(const struct handover_copy copies[2])
{
	for (size_t i = 0; i < 2; i++)
		if (copies[i].magic == MAGIC && copies[i].version != VERSION)
			return failure_set(-EPROTONOSUPPORT, "another version of tidemarkd had it");
	return failure_set(-ENODATA, "the process before left nothing to go on from");
}

int handover_read(const struct handover_page *page, struct handover *ret_handover)
{
	struct handover_copy copies[2];
	uint64_t counts[2] = {
		read_copy(&page->copies[0], &copies[0]), read_copy(&page->copies[1], &copies[1]),
	};
	struct handover *latest = &copies[counts[1] > counts[0]].handover;

	if (!counts[0] && !counts[1])
		return no_handover(copies);
	latest->volume_id[sizeof(latest->volume_id) - 1] = '\0';
	*ret_handover = *latest;
	return 0;
}

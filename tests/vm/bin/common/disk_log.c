// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 the Tidemark authors
#include "disk_log.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* A file in debugfs has no size to ask for. */
static void read_all(struct disk_log *log, int fd, const char *path)
{
	size_t room = 1 << 20;
	uint8_t *data = malloc(room);
	ssize_t n;

	if (!data)
		err(1, "%s", path);
	while ((n = read(fd, data + log->bytes, room - log->bytes)) > 0) {
		log->bytes += (size_t)n;
		if (log->bytes == room && !(data = realloc(data, room *= 2)))
			err(1, "%s", path);
	}
	if (n < 0)
		err(1, "%s", path);
	log->data = data;
}

static void map_all(struct disk_log *log, int fd, size_t bytes, const char *path)
{
	log->data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (log->data == MAP_FAILED)
		err(1, "%s", path);
	log->bytes = bytes;
}

void disk_log_load(struct disk_log *log, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	log->bytes = 0;
	if (st.st_size)
		map_all(log, fd, (size_t)st.st_size, path);
	else
		read_all(log, fd, path);
	close(fd);
}

const struct td_record *disk_log_next(const struct disk_log *log, const struct td_record *before)
{
	const uint8_t *at = before ? (const uint8_t *)before + before->record_bytes : log->data;
	const struct td_record *record = (const void *)at;

	if (at >= log->data + log->bytes)
		return NULL;
	if (before && record->seq != before->seq + 1)
		errx(1, "the record after %llu is missing", (unsigned long long)before->seq);
	return record;
}

const uint8_t *disk_log_payload(const struct td_record *record)
{
	unsigned long long seq = record->seq;

	if (record->payload_bytes != record->nr_sectors * SECTOR)
		errx(1, "record %llu has no payload", seq);
	if (td_hash(TD_HASH_START, record + 1, record->payload_bytes) != record->hash)
		errx(1, "record %llu is not what its hash says", seq);
	return (const uint8_t *)(record + 1);
}

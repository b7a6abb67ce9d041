// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * journal REPOSITORY DIRECTORY SECONDS: makes a repository with a volume "vol" whose journal
 * begins so many seconds after 1970, a record each second. In the directory: the volume after
 * each record, a file named by its seq. A volume "other" has a journal too.
 *
 *   100      the cut that the journal begins with
 *   101-103  writes, of one chunk each; the scan that belongs to the cut counts from 102 on
 *   104      a flush
 *   105      a mark, "before the upgrade"
 *   106-109  writes
 *   then nothing for an hour, and a stretch of its own with a scan of the same:
 *   200      the cut; 201-209 writes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>
#include <unistd.h>

#define CHUNK 4096u
#define BYTES (64u * CHUNK)

struct maker {
	struct tmc_repo *repo;
	const char *directory;
	struct tmc_volume volume;
	uint64_t start_seconds;
	uint8_t data[BYTES];
};

static void check(int ret)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s\n", tmc_error_text());
	exit(1);
}

static void keep_image(const struct maker *maker, uint64_t seq)
{
	char path[512];
	FILE *file;

	if (!maker->directory)
		return;
	snprintf(path, sizeof(path), "%s/%llu", maker->directory, (unsigned long long)seq);
	file = fopen(path, "w");
	if (!file || fwrite(maker->data, 1, BYTES, file) != BYTES || fclose(file))
		exit(1);
}

static uint64_t time_of(const struct maker *maker, uint64_t seq)
{
	uint64_t seconds = maker->start_seconds + (seq < 200 ? seq - 100 : 3600 + seq - 200);

	return seconds * 1000000000u;
}

static struct tmc_record make_record(struct maker *maker, uint64_t seq)
{
	static const char mark[] = "before the upgrade";
	struct tmc_record record = {
		.type = TMC_RECORD_WRITE, .seq = seq, .time_ns = time_of(maker, seq),
	};

	if (seq % 100 == 0)
		record.type = TMC_RECORD_CUT;
	if (seq == 104)
		record.type = TMC_RECORD_FLUSH;
	if (seq == 105) {
		record.type = TMC_RECORD_MARK;
		record.payload = mark;
		record.payload_bytes = sizeof(mark) - 1;
	}
	if (record.type != TMC_RECORD_WRITE)
		return record;
	record.offset = seq % 64 * CHUNK;
	record.bytes = record.payload_bytes = CHUNK;
	memset(maker->data + record.offset, (int)seq, CHUNK);
	record.payload = maker->data + record.offset;
	return record;
}

static void scan(struct maker *maker, const struct tmc_moment *moment, struct tmc_backup *backup)
{
	void *buffer = tmc_backup_buffer(backup);

	memcpy(buffer, maker->data, BYTES);
	check(tmc_backup_put(backup, 0, BYTES / CHUNK, buffer, NULL));
	tmc_backup_set_moment(backup, moment);
}

static void make_stretch(struct maker *maker, uint64_t first)
{
	struct tmc_journal_options options = { .first_seq = first };
	struct tmc_journal *journal;
	struct tmc_backup *backup;
	struct tmc_moment moment;
	struct tmc_point point;

	check(tmc_journal_begin(maker->repo, &maker->volume, &options, &journal));
	check(tmc_backup_begin(maker->repo, &maker->volume, NULL, 1, &backup));
	moment = (struct tmc_moment){ tmc_journal_stretch(journal), first, first + 2 };
	for (uint64_t seq = first; seq < first + 10; seq++) {
		struct tmc_record record = make_record(maker, seq);

		check(tmc_journal_append(journal, &record));
		if (seq == first + 2)
			scan(maker, &moment, backup);
		if (seq % 3 == 0)
			check(tmc_journal_seal(journal));
		keep_image(maker, seq);
	}
	check(tmc_journal_end(journal));
	check(tmc_backup_commit(backup, time_of(maker, first), BYTES, &point));
}

int main(int argc, char **argv)
{
	static struct maker maker = {
		.volume = { .volume_id = "id-of-vol", .name = "vol", .volume_bytes = BYTES },
	};

	if (argc != 4)
		return 2;
	maker.directory = argv[2];
	maker.start_seconds = strtoull(argv[3], NULL, 10);
	check(tmc_repo_create(argv[1], CHUNK));
	check(tmc_repo_open(argv[1], &maker.repo));
	make_stretch(&maker, 100);
	make_stretch(&maker, 200);
	maker.directory = NULL;
	strcpy(maker.volume.volume_id, "id-of-other");
	strcpy(maker.volume.name, "other");
	make_stretch(&maker, 100);
	tmc_repo_close(maker.repo);
	return 0;
}

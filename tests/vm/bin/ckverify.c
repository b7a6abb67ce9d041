// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 the Tidemark authors
/*
 * ckverify DIR LOG [--before TIME_NS]
 *
 * Proves that DIR, the file system of a restore point or of a disk after a
 * crash, has every file that ckwriter's LOG says it must have. TIME_NS is the
 * instant of the cut (CLOCK_REALTIME); without it the whole log counts.
 *
 * What can be claimed of a path at a cut:
 *
 *	touch     synced         touch     synced
 *	--|---------|--------------|---------|-----> time
 *	  ?????????? this content   ?????????? that content
 *
 * "synced" is written after the last fsync returned, so a cut after it has the
 * content; "touch" is written before the first change, so a cut before it has
 * not yet another. In between either may be found, torn or whole, and the path
 * is left out. A line that carries the cut's own time is read the careful way:
 * a touch counts, a sync does not.
 *
 * Exit: 0 proved, 1 something is missing or differs, or nothing at all could be
 * proved, 2 usage or an unreadable log.
 */
#include "common/file.h"
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 128, MAX_SHOWN = 20 };

enum claim { CLAIM_NOTHING, CLAIM_CONTENT, CLAIM_GONE };

struct entry {
	struct entry *next;
	enum claim claim;
	size_t size;
	char hex[SHA256_HEX_SIZE];
	char path[PATH_BYTES];
};

/* A log knows a few hundred paths: a list is enough. */
static struct entry *entries;

static struct entry *entry_of(const char *path)
{
	struct entry *e = entries;

	while (e && strcmp(e->path, path))
		e = e->next;
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e) {
		perror("ckverify");
		exit(2);
	}
	snprintf(e->path, sizeof(e->path), "%s", path);
	e->next = entries;
	return entries = e;
}

static int apply_line(const char *line, uint64_t cut)
{
	char verb[8], path[PATH_BYTES], hex[SHA256_HEX_SIZE] = "";
	struct entry *e;
	uint64_t time;
	size_t size = 0;
	int fields = sscanf(line, "%7s %" SCNu64 " %127s %64s %zu", verb, &time, path, hex, &size);

	if (fields == 3 && !strcmp(verb, "touch")) {
		if (time <= cut)
			entry_of(path)->claim = CLAIM_NOTHING;
		return 0;
	}
	if (time >= cut)
		return fields >= 3 ? 0 : -EINVAL;
	if (fields == 3 && !strcmp(verb, "gone")) {
		entry_of(path)->claim = CLAIM_GONE;
		return 0;
	}
	if (fields != 5 || strcmp(verb, "synced"))
		return -EINVAL;
	e = entry_of(path);
	e->claim = CLAIM_CONTENT;
	e->size = size;
	memcpy(e->hex, hex, sizeof(hex));
	return 0;
}

static int read_log(const char *path, uint64_t cut)
{
	FILE *log = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	int r = 0;

	if (!log)
		return -errno;
	/* A crash may have torn the last line: then it was not yet said. */
	while (!r && (size = getline(&line, &room, log)) > 0 && line[size - 1] == '\n')
		r = apply_line(line, cut);
	if (r)
		fprintf(stderr, "ckverify: not a line of ckwriter's: %s", line);
	free(line);
	fclose(log);
	return r;
}

/* NULL where the claim holds, else what is wrong. */
static const char *check_content(int dir, const struct entry *e)
{
	char hex[SHA256_HEX_SIZE];
	uint8_t *data;
	size_t size;
	int r = file_read(dir, e->path, &data, &size);

	if (r)
		return r == -ENOENT ? "missing" : strerror(-r);
	sha256_hex(data, size, hex);
	free(data);
	if (size != e->size)
		return "of another size";
	return strcmp(hex, e->hex) ? "different" : NULL;
}

static const char *check_gone(int dir, const struct entry *e)
{
	struct stat st;

	if (!fstatat(dir, e->path, &st, AT_SYMLINK_NOFOLLOW))
		return "back again";
	return errno == ENOENT ? NULL : strerror(errno);
}

static int verify(int dir)
{
	size_t content = 0, gone = 0, left_out = 0, wrong = 0;

	for (const struct entry *e = entries; e; e = e->next) {
		const char *problem = NULL;

		if (e->claim == CLAIM_NOTHING) {
			left_out++;
			continue;
		}
		problem = e->claim == CLAIM_GONE ? check_gone(dir, e) : check_content(dir, e);
		if (problem) {
			if (wrong++ < MAX_SHOWN)
				printf("ckverify: %s is %s\n", e->path, problem);
		} else if (e->claim == CLAIM_GONE) {
			gone++;
		} else {
			content++;
		}
	}
	printf("ckverify: %zu files as synced, %zu deleted, %zu wrong, %zu left out\n", content, gone,
	       wrong, left_out);
	if (!content)
		printf("ckverify: no file could be proved\n");
	return wrong || !content ? 1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t cut = UINT64_MAX;
	int dir, r;

	if (argc == 5 && !strcmp(argv[3], "--before")) {
		char *end;

		cut = strtoull(argv[4], &end, 10);
		if (*end || !cut)
			argc = 0;
	} else if (argc != 3) {
		argc = 0;
	}
	if (!argc) {
		fprintf(stderr, "usage: ckverify DIR LOG [--before TIME_NS]\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : read_log(argv[2], cut);
	if (r) {
		fprintf(stderr, "ckverify: %s: %s\n", dir < 0 ? argv[1] : argv[2], strerror(-r));
		return 2;
	}
	return verify(dir);
}

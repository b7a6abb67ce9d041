// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A file for each repository, named by its id: lines of a word and a number. It is
 * replaced as a whole; it is no key, and a lost one costs its checks until the
 * next use.
 */
#include "cli/memory.h"

#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct memory {
	bool encrypted;
	uint64_t generation;
};

static bool memory_directory(char ret_path[PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		snprintf(ret_path, PATH_MAX, "/var/lib/tidemark/repository");
	else if (state && *state == '/')
		snprintf(ret_path, PATH_MAX, "%s/tidemark/repository", state);
	else if (home && *home == '/')
		snprintf(ret_path, PATH_MAX, "%s/.local/state/tidemark/repository", home);
	else
		return false;
	return true;
}

static bool memory_path(const struct tmc_repo_info *info, char ret_path[2 * PATH_MAX])
{
	char directory[PATH_MAX], digits[TMC_ID_TEXT];

	tmc_id_format(&info->id, digits);
	if (!memory_directory(directory))
		return false;
	snprintf(ret_path, 2 * PATH_MAX, "%s/%s", directory, digits);
	return true;
}

static struct memory load(const struct tmc_repo_info *info)
{
	struct memory memory = {0};
	char path[2 * PATH_MAX], word[32];
	unsigned long long number;
	CLEANUP_FCLOSE FILE *file = memory_path(info, path) ? fopen(path, "re") : NULL;

	while (file && fscanf(file, "%31s %llu", word, &number) == 2)
		if (strcmp(word, "encrypted") == 0)
			memory.encrypted = number;
		else if (strcmp(word, "generation") == 0)
			memory.generation = number;
	return memory;
}

int memory_check(const struct tmc_repo_info *info, const char *path)
{
	struct memory memory = load(info);

	if (memory.encrypted && !info->encrypted)
		return failure_set(-EBADMSG, "%s was encrypted when this host used it last and is not "
				   "any more: somebody has changed it; do not use it", path);
	return 0;
}

int memory_check_generation(const struct tmc_repo_info *info, const char *path,
			    uint64_t generation)
{
	uint64_t seen = load(info).generation;

	if (generation >= seen)
		return 0;
	return failure_set(-ETXTBSY, "%s is in an older state than this host has seen (generation "
			   "%llu, it was %llu): it has been rolled back, or its newest points are "
			   "gone or damaged; --accept-rollback takes it as it is", path,
			   (unsigned long long)generation, (unsigned long long)seen);
}

static void make_directories(const char *path)
{
	char part[2 * PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(part, 0700);
		*slash = '/';
	}
}

void memory_keep(const struct tmc_repo_info *info, uint64_t generation)
{
	struct memory memory = load(info);
	char path[2 * PATH_MAX], draft[2 * PATH_MAX + 16];
	FILE *file;
	bool ok;

	if (!info->encrypted || (memory.encrypted && memory.generation == generation) ||
	    !memory_path(info, path))
		return;
	make_directories(path);
	snprintf(draft, sizeof(draft), "%s.%d", path, (int)getpid());
	file = fopen(draft, "wxe");
	if (!file)
		return;
	fprintf(file, "encrypted 1\ngeneration %llu\n", (unsigned long long)generation);
	ok = fflush(file) == 0 && fsync(fileno(file)) == 0;
	fclose(file);
	if (!ok || rename(draft, path) < 0)
		unlink(draft);
}

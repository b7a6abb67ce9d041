// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A line that does not look like mountinfo is skipped: newer kernels may add
 * fields, but not take any away.
 */
#include "common/mount_table.h"
#include "common/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes space, tab, newline and backslash as \ and three octal digits. */
static void undo_escapes(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && is_octal(text[1]) && is_octal(text[2]) &&
		    is_octal(text[3])) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* id parent major:minor root mount-point options [tag]... - type source options */
static bool parse_line(char *line, struct mount *ret_mount)
{
	unsigned int major_nr, minor_nr;
	char *fields[5];
	char *type, *source, *options, *word, *rest;

	for (size_t i = 0; i < 5; i++) {
		fields[i] = strtok_r(i ? NULL : line, " \n", &rest);
		if (!fields[i])
			return false;
	}
	if (sscanf(fields[2], "%u:%u", &major_nr, &minor_nr) != 2)
		return false;
	do {
		word = strtok_r(NULL, " \n", &rest);
		if (!word)
			return false;
	} while (strcmp(word, "-") != 0);
	type = strtok_r(NULL, " \n", &rest);
	source = strtok_r(NULL, " \n", &rest);
	options = strtok_r(NULL, " \n", &rest);
	if (!type || !source || !options)
		return false;
	undo_escapes(fields[4]);
	undo_escapes(source);
	*ret_mount = (struct mount){
		.device = makedev(major_nr, minor_nr),
		.mount_point = strdup(fields[4]),
		.fs_type = strdup(type),
		.source = strdup(source),
		.read_only = strncmp(options, "ro", 2) == 0 && (!options[2] || options[2] == ','),
	};
	return true;
}

static void clear_mount(struct mount *mount)
{
	free(mount->mount_point);
	free(mount->fs_type);
	free(mount->source);
}

void mount_table_clear(struct mount_table *table)
{
	for (size_t i = 0; i < table->nr; i++)
		clear_mount(&table->mounts[i]);
	free(table->mounts);
	*table = (struct mount_table){0};
}

static int append(struct mount_table *table, struct mount *mount)
{
	struct mount *grown;

	if (!mount->mount_point || !mount->fs_type || !mount->source)
		return -ENOMEM;
	grown = reallocarray(table->mounts, table->nr + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	table->mounts = grown;
	table->mounts[table->nr++] = *mount;
	return 0;
}

int mount_table_read(const char *path, struct mount_table *ret_table)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "re");
	CLEANUP(mount_table_clear) struct mount_table table = {0};
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		struct mount mount;

		if (!parse_line(line, &mount))
			continue;
		if (append(&table, &mount) < 0) {
			clear_mount(&mount);
			return -ENOMEM;
		}
	}
	if (ferror(file))
		return -EIO;
	*ret_table = table;
	table = (struct mount_table){0};
	return 0;
}

static bool lies_below(const char *path, const char *mount_point)
{
	size_t len = strlen(mount_point);

	if (strcmp(mount_point, "/") == 0)
		return path[0] == '/';
	return strncmp(path, mount_point, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

const struct mount *mount_table_find(const struct mount_table *table, const char *path)
{
	const struct mount *best = NULL;

	/* Of two mounts at one place the later one hides the other. */
	for (size_t i = 0; i < table->nr; i++) {
		const struct mount *mount = &table->mounts[i];

		if (lies_below(path, mount->mount_point) &&
		    (!best || strlen(mount->mount_point) >= strlen(best->mount_point)))
			best = mount;
	}
	return best;
}

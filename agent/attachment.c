// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The two lines that the target prints. Newer modules may append pairs of key
 * and value; the five words in front are fixed.
 */
#include "agent/attachment.h"
#include "common/cleanup.h"
#include "common/hex.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SECTOR_BYTES 512

static int parse_number(const char *text, char end, uint64_t *ret_number, const char **ret_rest)
{
	char *rest;

	if (!isdigit((unsigned char)*text))
		return -EPROTO;
	errno = 0;
	*ret_number = strtoull(text, &rest, 10);
	if (errno || *rest != end)
		return -EPROTO;
	if (ret_rest)
		*ret_rest = rest + (end != '\0');
	return 0;
}

static int parse_device(const char *text, dev_t *ret_device)
{
	unsigned int major_nr, minor_nr;
	struct stat st;
	int used = 0;

	if (sscanf(text, "%u:%u%n", &major_nr, &minor_nr, &used) == 2 && text[used] == '\0') {
		*ret_device = makedev(major_nr, minor_nr);
		return 0;
	}
	if (text[0] != '/' || stat(text, &st) < 0 || !S_ISBLK(st.st_mode))
		return -EPROTO;
	*ret_device = st.st_rdev;
	return 0;
}

static int copy_word(char *to, size_t size, const char *word)
{
	if (strlen(word) >= size)
		return -EPROTO;
	strcpy(to, word);
	return 0;
}

int attachment_parse_table(struct attachment *attachment, const char *params)
{
	CLEANUP_FREE char *copy = strdup(params);
	char *rest;
	char *mode = copy ? strtok_r(copy, " ", &rest) : NULL;
	char *device = mode ? strtok_r(NULL, " ", &rest) : NULL;
	char *start = device ? strtok_r(NULL, " ", &rest) : NULL;

	if (!start || copy_word(attachment->mode, sizeof(attachment->mode), mode) < 0)
		return -EPROTO;
	if (parse_device(device, &attachment->live) < 0)
		return -EPROTO;
	return parse_number(start, '\0', &attachment->start_sector, NULL);
}

static int parse_base(struct attachment *attachment, const char *text)
{
	attachment->has_base = strcmp(text, "-") != 0;
	if (attachment->has_base && !hex_parse(text, attachment->base, sizeof(attachment->base)))
		return -EPROTO;
	return 0;
}

static int parse_pair(struct attachment *attachment, const char *key, const char *value)
{
	if (strcmp(key, "base") == 0)
		return parse_base(attachment, value);
	if (strcmp(key, "preserved") == 0)
		return parse_number(value, '\0', &attachment->preserved, NULL);
	if (strcmp(key, "held") == 0)
		return parse_number(value, '\0', &attachment->held, NULL);
	if (strcmp(key, "lost") == 0)
		return parse_number(value, '\0', &attachment->lost, NULL);
	if (strcmp(key, "stalls") == 0) {
		attachment->counts_stalls = true;
		return parse_number(value, '\0', &attachment->stalls, NULL);
	}
	if (strcmp(key, "device") == 0)
		return copy_word(attachment->device_state, sizeof(attachment->device_state), value);
	if (strcmp(key, "agent") == 0)
		attachment->agent = strcmp(value, "yes") == 0;
	return 0;
}

int attachment_parse_status(struct attachment *attachment, const char *params)
{
	CLEANUP_FREE char *copy = strdup(params);
	char *words[5];
	char *key, *rest;
	const char *total;

	for (size_t i = 0; i < 5; i++) {
		words[i] = copy ? strtok_r(i ? NULL : copy, " ", &rest) : NULL;
		if (!words[i])
			return -EPROTO;
	}
	if (copy_word(attachment->mode, sizeof(attachment->mode), words[0]) < 0 ||
	    copy_word(attachment->cut, sizeof(attachment->cut), words[1]) < 0 ||
	    parse_number(words[2], '\0', &attachment->chunk_sectors, NULL) < 0 ||
	    parse_number(words[3], '/', &attachment->dirty_chunks, &total) < 0 ||
	    parse_number(total, '\0', &attachment->nr_chunks, NULL) < 0 ||
	    parse_number(words[4], '\0', &attachment->epoch, NULL) < 0)
		return -EPROTO;
	while ((key = strtok_r(NULL, " ", &rest))) {
		const char *value = strtok_r(NULL, " ", &rest);

		if (!value)
			return -EPROTO;
		if (parse_pair(attachment, key, value) < 0)
			return -EPROTO;
	}
	return 0;
}

/* The last chunk may be a part of one. */
uint64_t attachment_dirty_bytes(const struct attachment *attachment)
{
	uint64_t bytes = attachment->dirty_chunks * attachment->chunk_sectors * SECTOR_BYTES;
	uint64_t all = attachment->nr_sectors * SECTOR_BYTES;

	return bytes < all ? bytes : all;
}

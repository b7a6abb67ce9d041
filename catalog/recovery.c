// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Three numbers in hex, in groups of eight digits, each with a check of its own of
 * four digits at its end: what was copied by hand tells which line has the slip.
 */
#include "catalog/recovery.h"

#include "catalog/id.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/hex.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static const char title[] = "Tidemark recovery key 1";
static const char *const words[] = { "repository", "config", "key" };
#define NR_LINES     3
#define CHECK_BYTES  2
#define LINE_BYTES   (TMC_ID_BYTES + CHECK_BYTES)

static void add_check(unsigned int nth, uint8_t line[LINE_BYTES])
{
	uint32_t crc = crc32c(crc32c(0, words[nth], strlen(words[nth])), line, TMC_ID_BYTES);

	line[TMC_ID_BYTES] = (uint8_t)(crc >> 8);
	line[TMC_ID_BYTES + 1] = (uint8_t)crc;
}

static char *format_line(char *p, unsigned int nth, const uint8_t *number)
{
	uint8_t line[LINE_BYTES];
	char digits[2 * LINE_BYTES + 1];

	memcpy(line, number, TMC_ID_BYTES);
	add_check(nth, line);
	hex_format(line, sizeof(line), digits);
	p += sprintf(p, "%-10s", words[nth]);
	for (unsigned int i = 0; i < 2 * LINE_BYTES; i += 8)
		p += sprintf(p, " %.8s", digits + i);
	p += sprintf(p, "\n");
	OPENSSL_cleanse(line, sizeof(line));
	OPENSSL_cleanse(digits, sizeof(digits));
	return p;
}

void tmc_recovery_format(const struct tmc_id *repo_id, const struct tmc_slot_secret *secret,
			 char ret_text[TMC_RECOVERY_BYTES])
{
	char *p = ret_text + sprintf(ret_text, "%s\n", title);

	p = format_line(p, 0, repo_id->bytes);
	p = format_line(p, 1, secret->config_digest.bytes);
	format_line(p, 2, secret->master);
}

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

static int parse_line(const char **text, unsigned int nth, uint8_t *ret_number)
{
	uint8_t line[LINE_BYTES], check[CHECK_BYTES];
	char digits[2 * LINE_BYTES + 1] = "";
	const char *p = skip_blanks(*text);
	int ret = 0;

	if (strncasecmp(p, words[nth], strlen(words[nth])))
		return failure_set(-EINVAL, "the recovery key has no line \"%s\" where it belongs",
				   words[nth]);
	p += strlen(words[nth]);
	for (size_t i = 0; i < sizeof(digits) - 1; i++) {
		p = skip_blanks(p);
		digits[i] = (char)tolower((unsigned char)*p);
		p += *p != '\0';
	}
	*text = p;
	if (hex_parse(digits, line, sizeof(line))) {
		memcpy(check, line + TMC_ID_BYTES, sizeof(check));
		memcpy(ret_number, line, TMC_ID_BYTES);
		add_check(nth, line);
		ret = memcmp(check, line + TMC_ID_BYTES, sizeof(check));
	}
	if (ret || !hex_parse(digits, line, sizeof(line)))
		ret = failure_set(-EINVAL, "the line \"%s\" of the recovery key has a slip: its "
				  "digits do not fit their check", words[nth]);
	OPENSSL_cleanse(line, sizeof(line));
	OPENSSL_cleanse(digits, sizeof(digits));
	return ret;
}

int tmc_recovery_parse(const char *text, struct tmc_id *ret_repo_id,
		       struct tmc_slot_secret *ret_secret)
{
	const char *p = skip_blanks(text);
	int ret;

	if (strncmp(p, title, strlen(title)))
		return failure_set(-EINVAL, "this is no recovery key of Tidemark");
	p += strlen(title);
	ret = parse_line(&p, 0, ret_repo_id->bytes);
	if (!ret)
		ret = parse_line(&p, 1, ret_secret->config_digest.bytes);
	return ret ? ret : parse_line(&p, 2, ret_secret->master);
}

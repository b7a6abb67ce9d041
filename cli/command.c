// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Every message is one line that begins with the command's name, so that it can
 * be found in a log.
 */
#include "cli/command.h"
#include "common/clock_ns.h"
#include "common/duration_text.h"
#include "common/failure.h"
#include "common/size_text.h"
#include "common/time_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

#define TIMEOUT_MIN_NS 1000000000ull
#define TIMEOUT_MAX_NS (24 * 3600 * 1000000000ull)

enum exit_status command_failure(int error)
{
	fprintf(stderr, "tidemark: %s\n", failure_text()[0] ? failure_text() : strerror(-error));
	return exit_status_of(error);
}

enum exit_status command_catalog_failure(int error)
{
	fprintf(stderr, "tidemark: %s\n", tmc_error_text());
	return exit_status_of(error);
}

enum exit_status command_usage(const char *verb, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "tidemark: %s; see \"tidemark %s%s--help\"\n", text, verb,
		*verb ? " " : "");
	return EXIT_STATUS_USAGE;
}

enum exit_status command_bad_option(const char *verb, int option, char **argv)
{
	return command_usage(verb, "%s: %s", argv[optind - 1],
			     option == ':' ? "needs a value" : "no such option");
}

void command_notice(const char *text)
{
	fprintf(stderr, "tidemark: note: %s\n", text);
}

void command_warning(const char *text)
{
	fprintf(stderr, "tidemark: warning: %s\n", text);
}

enum exit_status command_size(const char *verb, const char *option, const char *text,
			      enum command_size kind, uint64_t *ret_number)
{
	int r = size_text_parse(text, ret_number);

	if (r < 0)
		return command_usage(verb, "%s %s: %s", option, text,
				     r == -ERANGE ? "too large" : "not a number");
	if (kind == COMMAND_SIZE_CHUNK &&
	    (*ret_number < TMC_CHUNK_BYTES_MIN || *ret_number > TMC_CHUNK_BYTES_MAX ||
	     (*ret_number & (*ret_number - 1))))
		return command_usage(verb, "%s %s: must be a power of two from 4K to 1M", option,
				     text);
	return EXIT_STATUS_OK;
}

enum exit_status command_time(const char *verb, const char *option, const char *text,
			      uint64_t *ret_ns)
{
	int r = time_text_parse(text, clock_ns(CLOCK_REALTIME), ret_ns);

	if (r < 0)
		return command_usage(verb, "%s %s: %s", option, text, r == -ERANGE ?
				     "too far from now" :
				     "not a time: give \"YYYY-MM-DD HH:MM:SS\", HH:MM of today, -5min, "
				     "-2h, or @ and seconds since 1970");
	return EXIT_STATUS_OK;
}

enum exit_status command_timeout(const char *verb, const char *option, const char *text,
				 uint64_t *ret_ns)
{
	if (duration_text_parse(text, ret_ns) < 0)
		return command_usage(verb, "%s %s: not a span of time: give 30s or 5min", option, text);
	if (*ret_ns < TIMEOUT_MIN_NS || *ret_ns > TIMEOUT_MAX_NS)
		return command_usage(verb, "%s %s: must be from 1s to 1d", option, text);
	return EXIT_STATUS_OK;
}

enum exit_status command_compression(const char *verb, const char *text,
				     struct tmc_compression *ret_compression)
{
	static const char *const names[] = {
		[TMC_COMPRESSION_LZ4] = "lz4",
		[TMC_COMPRESSION_NONE] = "none",
		[TMC_COMPRESSION_LZ4HC] = "lz4hc",
		[TMC_COMPRESSION_ZSTD] = "zstd",
	};
	static const int levels[] = {[TMC_COMPRESSION_LZ4HC] = 12, [TMC_COMPRESSION_ZSTD] = 19};
	size_t length = strcspn(text, ":");
	char *end = NULL;
	long level = text[length] ? strtol(text + length + 1, &end, 10) : 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) != length || strncmp(names[i], text, length) != 0)
			continue;
		if (end && (*end || level < 1 || level > levels[i]))
			break;
		ret_compression->method = (enum tmc_compression_method)i;
		ret_compression->level = (int)level;
		return EXIT_STATUS_OK;
	}
	return command_usage(verb, "--compression %s: must be lz4, none, lz4hc[:1-12] or zstd[:1-19]",
			     text);
}

const char *command_repository(const char *verb, const char *given)
{
	if (!given)
		given = getenv("TIDEMARK_REPOSITORY");
	if (given && *given)
		return given;
	command_usage(verb, "%s: no repository; give one with -r, or set TIDEMARK_REPOSITORY",
		      verb);
	return NULL;
}

enum exit_status command_finish_output(enum exit_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "tidemark: standard output: %s\n", strerror(errno));
	return status == EXIT_STATUS_OK ? EXIT_STATUS_FAILED : status;
}

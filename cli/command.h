/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the verbs share: their table, how they complain, and the options that
 * several of them have. A verb gets argv with itself as argv[0] and returns the
 * exit status.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/exit_status.h"

#include <getopt.h>
#include <stdint.h>
#include <tidemark.h>

enum exit_status command_key(int argc, char **argv);
enum exit_status command_init(int argc, char **argv);
enum exit_status command_attach(int argc, char **argv);
enum exit_status command_mark(int argc, char **argv);
enum exit_status command_log(int argc, char **argv);
enum exit_status command_detach(int argc, char **argv);
enum exit_status command_backup(int argc, char **argv);
enum exit_status command_points(int argc, char **argv);
enum exit_status command_restore(int argc, char **argv);
enum exit_status command_mount(int argc, char **argv);
enum exit_status command_umount(int argc, char **argv);
enum exit_status command_verify(int argc, char **argv);
enum exit_status command_repair(int argc, char **argv);
enum exit_status command_copy(int argc, char **argv);
enum exit_status command_tag(int argc, char **argv);
enum exit_status command_prune(int argc, char **argv);
enum exit_status command_forget(int argc, char **argv);
enum exit_status command_stats(int argc, char **argv);
enum exit_status command_diff(int argc, char **argv);
enum exit_status command_job(int argc, char **argv);
enum exit_status command_status(int argc, char **argv);

/** "tidemark: <failure_text()>" on standard error; the status that belongs to error. */
enum exit_status command_failure(int error);

/** The same with the catalog's sentence. */
enum exit_status command_catalog_failure(int error);

/** One line, and where to find help. */
enum exit_status command_usage(const char *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** After getopt_long(":...") returned ':' or '?'. */
enum exit_status command_bad_option(const char *verb, int option, char **argv);

/** One line on standard error that is no failure. */
void command_notice(const char *text);
/** One that is a failure, though not the command's. */
void command_warning(const char *text);

enum command_size {
	COMMAND_SIZE_CHUNK, /* power of two from 4K to 1M */
	COMMAND_SIZE_COUNT, /* a plain number */
};

/** Parse an option's size; complains and returns EXIT_STATUS_USAGE if it is none. */
enum exit_status command_size(const char *verb, const char *option, const char *text,
			      enum command_size kind, uint64_t *ret_number);

/** A time, common/time_text.h; complains and returns EXIT_STATUS_USAGE if it is none. */
enum exit_status command_time(const char *verb, const char *option, const char *text,
			      uint64_t *ret_ns);

/**
 * A span of time, common/duration_text.h, from 1 s to a day; complains and returns
 * EXIT_STATUS_USAGE if it is none.
 */
enum exit_status command_timeout(const char *verb, const char *option, const char *text,
				 uint64_t *ret_ns);

/** "zstd:7"; complains and returns EXIT_STATUS_USAGE if it is none. */
enum exit_status command_compression(const char *verb, const char *text,
				     struct tmc_compression *ret_compression);

/** given, or the environment's TIDEMARK_REPOSITORY; NULL after a complaint. */
const char *command_repository(const char *verb, const char *given);

/** Standard output was a pipe that broke or a full disk: then nothing was reported. */
enum exit_status command_finish_output(enum exit_status status);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job_run.h"
#include "agent/catalog_failure.h"
#include "agent/child.h"
#include "agent/device.h"
#include "cli/exit_status.h"
#include "common/cleanup.h"
#include "common/duration_text.h"
#include "common/failure.h"
#include "daemon/log.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

#define COMMAND      "tidemark"
#define GRACE_NS     15000000000u /* for what it has to put away */
#define REPORT_BYTES 65536 /* what is longer is not read */

/* One command, and what it has said. */
struct command {
	const struct job_settings *settings;
	const char **argv;
	size_t nr_words;
	size_t report_bytes;
	char report[REPORT_BYTES];
	char reason[1024]; /* its last words */
};

/* --------------------------------------------------------------------- commands */

static void hear(void *context, int fd, const char *line)
{
	static const char prefix[] = COMMAND ": ";
	struct command *command = context;
	size_t bytes = strlen(line);

	if (fd == 1) {
		if (command->report_bytes + bytes < REPORT_BYTES) {
			memcpy(command->report + command->report_bytes, line, bytes + 1);
			command->report_bytes += bytes;
		}
		return;
	}
	if (!strncmp(line, prefix, strlen(prefix)))
		line += strlen(prefix);
	snprintf(command->reason, sizeof(command->reason), "%s", line);
	log_say(LOG_PRIORITY_INFO, command->settings->name, "%s", line);
}

/* Words of a command: more than any has without volumes, limits and rules. */
static struct command *command_create(const struct job_settings *settings, const char *verb)
{
	struct command *command = calloc(1, sizeof(*command));

	if (command)
		command->argv = calloc(16 + settings->nr_volumes + 2 * settings->limits.nr +
				       2 * settings->keeps.nr, sizeof(*command->argv));
	if (!command || !command->argv) {
		free(command);
		failure_set(-ENOMEM, "out of memory");
		return NULL;
	}
	command->settings = settings;
	command->argv[command->nr_words++] = COMMAND;
	command->argv[command->nr_words++] = verb;
	return command;
}

static void command_free(struct command **command)
{
	if (*command)
		free((*command)->argv);
	free(*command);
}

static void add_word(struct command *command, const char *word)
{
	command->argv[command->nr_words++] = word;
}

static void add_option(struct command *command, const char *option, const char *value)
{
	add_word(command, option);
	add_word(command, value);
}

static void add_options(struct command *command, const struct job_options *options)
{
	for (size_t i = 0; i < options->nr; i++)
		add_option(command, options->options[i].name, options->options[i].value);
}

/* So long its hook may take, for the phase that it is in and for after-cut. */
static uint64_t grace_of(const struct job_settings *settings)
{
	uint64_t hook_ns = 0;

	if (settings->hook)
		duration_text_parse(settings->hook_timeout, &hook_ns);
	return 2 * hook_ns + GRACE_NS;
}

/* What it returns: an exit status, or a negative errno. */
static int command_run(struct command *command, int stop_fd)
{
	struct child_request request = {
		.argv = (char *const *)command->argv,
		.grace_ns = grace_of(command->settings),
		.stop_fd = stop_fd,
		.hear = hear,
		.context = command,
	};

	return child_run(&request);
}

static int command_failed(const struct command *command, int status)
{
	if (status < 0)
		return status;
	return failure_set(-EIO, "%s", command->reason[0] ? command->reason :
			   "tidemark ended without a word");
}

/* ------------------------------------------------------------------------ backup */

/* free() *ret_attachments, one for each volume. */
static int attach_all(const struct job_settings *settings, struct attachment **ret_attachments,
		      struct job_devices *ret_devices)
{
	struct tmc_repo *repo;
	struct tmc_repo_info info;
	int r = tmc_repo_open(settings->repository, &repo);

	*ret_devices = (struct job_devices){0};
	*ret_attachments = NULL;
	if (r < 0)
		return catalog_failure(r);
	tmc_repo_get_info(repo, &info);
	tmc_repo_close(repo);
	*ret_attachments = calloc(settings->nr_volumes, sizeof(**ret_attachments));
	if (!*ret_attachments)
		return failure_set(-ENOMEM, "out of memory");
	return job_devices_attach(settings, info.chunk_bytes, *ret_attachments, ret_devices);
}

int job_run_attach(const struct job_settings *settings, struct job_devices *ret_devices)
{
	CLEANUP_FREE struct attachment *attachments = NULL;

	return attach_all(settings, &attachments, ret_devices);
}

static void add_point(struct json_object *report, char ret_points[JOB_POINTS_BYTES])
{
	const char *point = json_object_get_string(json_object_object_get(report, "point"));
	size_t used = strlen(ret_points);

	if (point)
		snprintf(ret_points + used, JOB_POINTS_BYTES - used, "%s%s", used ? " " : "", point);
}

/* One volume's report is its own, those of several are in an array. */
static void take_report(const struct command *command, char ret_points[JOB_POINTS_BYTES])
{
	struct json_object *report = json_tokener_parse(command->report);
	struct json_object *points;

	ret_points[0] = '\0';
	if (json_object_is_type(report, json_type_object)) {
		add_point(report, ret_points);
		points = json_object_object_get(report, "points");
		for (size_t i = 0; points && i < json_object_array_length(points); i++)
			add_point(json_object_array_get_idx(points, i), ret_points);
	}
	json_object_put(report);
}

/* The config gives no group the name of a volume. */
static bool is_group(const struct job_settings *settings)
{
	return strcmp(settings->name, settings->volumes[0].name) != 0;
}

/* By the attachments' names: behind these are the devices that have been looked at. */
static int back_up(const struct job_settings *settings, const struct attachment *attachments,
		   int stop_fd, char ret_points[JOB_POINTS_BYTES])
{
	CLEANUP(command_free) struct command *command = command_create(settings, "backup");
	int status;

	if (!command)
		return -ENOMEM;
	add_option(command, "--repo", settings->repository);
	add_word(command, "--json");
	if (is_group(settings))
		add_option(command, "--group", settings->name);
	if (settings->hook)
		add_option(command, "--hook", settings->hook);
	if (settings->hook)
		add_option(command, "--hook-timeout", settings->hook_timeout);
	add_options(command, &settings->limits);
	for (size_t i = 0; i < settings->nr_volumes; i++)
		add_word(command, attachments[i].name);
	status = command_run(command, stop_fd);
	take_report(command, ret_points);
	/* Points of a device that cannot read all of itself are points. */
	if (status == EXIT_STATUS_OK || (status == EXIT_STATUS_DAMAGED && ret_points[0]))
		return 0;
	return command_failed(command, status);
}

/* --------------------------------------------------------------------- retention */

/* Points have the name of the attachment, which somebody may have made under another one. */
static int prune(const struct job_settings *settings, const struct job_volume *volume, int stop_fd)
{
	CLEANUP(command_free) struct command *command = command_create(settings, "prune");
	struct attachment attachment;
	bool attached = device_find(volume->device, &attachment) == 0;
	int status;

	if (!command)
		return -ENOMEM;
	add_option(command, "--repo", settings->repository);
	add_option(command, "--volume", attached ? attachment.name : volume->name);
	add_word(command, "--quiet");
	add_options(command, &settings->keeps);
	status = command_run(command, stop_fd);
	/* Another prune is at work, and frees what there is to free. */
	if (status == EXIT_STATUS_OK || status == EXIT_STATUS_BUSY)
		return 0;
	return command_failed(command, status);
}

static int retain(const struct job_settings *settings, int stop_fd)
{
	int r = 0;

	for (size_t i = 0; settings->keeps.nr && i < settings->nr_volumes && r == 0; i++)
		r = prune(settings, &settings->volumes[i], stop_fd);
	return r;
}

int job_run(const struct job_settings *settings, int stop_fd, char ret_points[JOB_POINTS_BYTES])
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	struct job_devices devices;
	int r;

	ret_points[0] = '\0';
	if (!settings->backs_up)
		return retain(settings, stop_fd);
	r = attach_all(settings, &attachments, &devices);
	if (r == 0)
		r = back_up(settings, attachments, stop_fd, ret_points);
	if (r == 0 && retain(settings, stop_fd) < 0)
		log_say(LOG_PRIORITY_WARNING, settings->name, "the point was made, but no old one could "
			"go: %s", failure_text());
	return r;
}

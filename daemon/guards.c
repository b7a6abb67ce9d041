// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/guards.h"
#include "agent/device.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "daemon/log.h"
#include "daemon/volume_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void say(const struct protection_settings *settings, enum protection_event event,
		const char *text)
{
	log_say(event == PROTECTION_WARNING ? LOG_PRIORITY_WARNING : LOG_PRIORITY_INFO,
		settings->name, "%s", text);
}

/* ------------------------------------------------------------------------- stop */

static void for_each(struct guards *guards, void (*act)(struct protection *protection))
{
	for (size_t i = 0; i < guards->config.nr_volumes; i++)
		if (guards->protections[i])
			act(guards->protections[i]);
}

static bool each_of(const struct guards *guards, bool (*is)(const struct protection *protection))
{
	for (size_t i = 0; i < guards->config.nr_volumes; i++)
		if (guards->protections[i] && !is(guards->protections[i]))
			return false;
	return true;
}

/* What is to be durable can take a while to become so. */
static void wait_until_each(struct guards *guards,
			    bool (*is)(const struct protection *protection))
{
	struct timespec nap = {.tv_nsec = 20000000};

	for (unsigned int n = 0; !each_of(guards, is); n++) {
		if (guards->waits && n % 50 == 0)
			guards->waits();
		nanosleep(&nap, NULL);
	}
}

/* Together, so that nobody's ring fills while others have more to do. */
static void stop_all(struct guards *guards)
{
	for_each(guards, protection_ask_to_stop);
	wait_until_each(guards, protection_has_settled);
	for_each(guards, protection_let_go);
	wait_until_each(guards, protection_has_ended);
	for_each(guards, protection_stop);
	free(guards->protections);
	config_clear(&guards->config);
	guards->protections = NULL;
}

/* ------------------------------------------------------------------------ adopt */

/* Takes over the protection of a volume that stays as it is. */
static bool take_over(struct guards *from, struct guards *to, size_t nth)
{
	for (size_t i = 0; i < from->config.nr_volumes; i++) {
		if (!from->protections[i] ||
		    !config_same_volume(&from->config.volumes[i], &to->config.volumes[nth]))
			continue;
		to->protections[nth] = from->protections[i];
		from->protections[i] = NULL;
		return true;
	}
	return false;
}

static void start(struct guards *guards, size_t nth)
{
	struct protection_settings *settings = &guards->config.volumes[nth];

	settings->store = &guards->channels;
	if (protection_start(settings, say, &guards->protections[nth]) < 0)
		log_say(LOG_PRIORITY_ERROR, settings->name, "%s", failure_text());
}

static bool is_volume(void *context, const char *name)
{
	const struct config *config = context;

	for (size_t i = 0; i < config->nr_volumes; i++)
		if (strcmp(config->volumes[i].name, name) == 0)
			return true;
	return false;
}

void guards_adopt(struct guards *guards, struct config *config)
{
	struct guards next = {.config = *config};
	bool *stays = calloc(config->nr_volumes, sizeof(*stays));

	next.protections = calloc(config->nr_volumes, sizeof(*next.protections));
	if (!next.protections || !stays) {
		log_say(LOG_PRIORITY_ERROR, NULL, "out of memory; goes on with the config that it had");
		free(next.protections);
		free(stays);
		config_clear(config);
		return;
	}
	for (size_t i = 0; i < next.config.nr_volumes; i++)
		stays[i] = take_over(guards, &next, i);
	stop_all(guards); /* whatever has not been taken over */
	fd_store_sweep(&guards->fds, is_volume, config);
	guards->config = next.config;
	guards->protections = next.protections;
	for (size_t i = 0; i < guards->config.nr_volumes; i++)
		if (!stays[i])
			start(guards, i);
	free(stays);
}

void guards_init(struct guards *guards, void (*waits)(void))
{
	*guards = (struct guards){.waits = waits};
	fd_store_init(&guards->fds);
	guards->channels = fd_store_channels(&guards->fds);
}

void guards_exit(struct guards *guards)
{
	stop_all(guards);
	fd_store_exit(&guards->fds);
}

int guards_accept(struct guards *guards, const char *name)
{
	for (size_t i = 0; i < guards->config.nr_volumes; i++)
		if (guards->protections[i] && strcmp(guards->config.volumes[i].name, name) == 0)
			return protection_accept(guards->protections[i]);
	return -ENODEV;
}

/* ----------------------------------------------------------------------- status */

/* One that does not stream yet may be attached, by the name that it would be given. */
static const struct attachment *find_attachment(const struct attachment *attachments, size_t nr,
						const struct protection_settings *settings,
						const struct protection_status *status)
{
	const char *name = *status->attachment ? status->attachment : settings->name;

	for (size_t i = 0; i < nr; i++)
		if (strcmp(attachments[i].name, name) == 0)
			return &attachments[i];
	return NULL;
}

/* What device-mapper does not tell is missing in the answer; the rest is said all the same. */
struct json_object *guards_to_json(struct guards *guards)
{
	struct json_object *object = json_object_new_object();
	struct json_object *volumes = json_object_new_array();
	CLEANUP_FREE struct attachment *attachments = NULL;
	size_t nr = 0;

	device_list(&attachments, &nr);
	for (size_t i = 0; i < guards->config.nr_volumes; i++) {
		const struct protection_settings *settings = &guards->config.volumes[i];
		struct protection_status status = {.state = PROTECTION_WAITING};

		if (guards->protections[i])
			protection_get_status(guards->protections[i], &status);
		json_object_array_add(volumes, volume_report(settings, &status,
			find_attachment(attachments, nr, settings, &status)));
	}
	json_object_object_add(object, "volumes", volumes);
	return object;
}

void guards_summary(struct guards *guards, char *ret_text, size_t bytes)
{
	size_t nr_streaming = 0;

	for (size_t i = 0; i < guards->config.nr_volumes; i++) {
		struct protection_status status = {.state = PROTECTION_WAITING};

		if (guards->protections[i])
			protection_get_status(guards->protections[i], &status);
		nr_streaming += status.state == PROTECTION_STREAMING;
	}
	snprintf(ret_text, bytes, "%zu of %zu volumes protected", nr_streaming,
		 guards->config.nr_volumes);
}

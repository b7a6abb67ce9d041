// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/jobs.h"
#include "cli/json.h"
#include "common/failure.h"
#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------------- adopt */

/* A job that stays has the settings that it knows. */
static bool take_over(struct jobs *from, struct jobs *to, size_t nth)
{
	for (size_t i = 0; i < from->nr; i++) {
		if (!from->jobs[i] || !job_settings_same(from->settings[i], to->settings[nth]))
			continue;
		job_settings_free(to->settings[nth]);
		to->settings[nth] = from->settings[i];
		to->jobs[nth] = from->jobs[i];
		from->settings[i] = NULL;
		from->jobs[i] = NULL;
		return true;
	}
	return false;
}

static void free_settings(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->nr; i++)
		job_settings_free(jobs->settings[i]);
	free(jobs->settings);
}

void jobs_adopt(struct jobs *jobs, struct config *config)
{
	struct jobs next = {.waits = jobs->waits, .settings = config->jobs, .nr = config->nr_jobs};

	config->jobs = NULL;
	config->nr_jobs = 0;
	next.jobs = calloc(next.nr + 1, sizeof(*next.jobs));
	if (!next.jobs) {
		log_say(LOG_PRIORITY_ERROR, NULL, "out of memory; goes on with the jobs that it had");
		free_settings(&next);
		return;
	}
	for (size_t i = 0; i < next.nr; i++)
		take_over(jobs, &next, i);
	jobs_stop(jobs); /* whatever has not been taken over */
	for (size_t i = 0; i < next.nr; i++)
		if (!next.jobs[i] && job_start(next.settings[i], &next.jobs[i]) < 0)
			log_say(LOG_PRIORITY_ERROR, next.settings[i]->name, "%s", failure_text());
	*jobs = next;
}

/* A run that is told to end does so between two of its steps. */
static void stop(struct jobs *jobs, struct job *job)
{
	struct timespec nap = {.tv_nsec = 20000000};

	for (unsigned int n = 0; !job_has_ended(job); n++) {
		if (jobs->waits && n % 50 == 0)
			jobs->waits();
		nanosleep(&nap, NULL);
	}
	job_stop(job);
}

void jobs_stop(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->nr; i++)
		if (jobs->jobs[i])
			job_ask_to_stop(jobs->jobs[i]);
	for (size_t i = 0; i < jobs->nr; i++)
		if (jobs->jobs[i])
			stop(jobs, jobs->jobs[i]);
	free_settings(jobs);
	free(jobs->jobs);
	*jobs = (struct jobs){.waits = jobs->waits};
}

/* ------------------------------------------------------------------------ orders */

int jobs_order(struct jobs *jobs, const char *name, enum job_order order)
{
	for (size_t i = 0; i < jobs->nr; i++)
		if (jobs->jobs[i] && strcmp(jobs->settings[i]->name, name) == 0)
			return job_order(jobs->jobs[i], order);
	return failure_set(-ENOENT, "%s: tidemarkd has no job of that name; \"tidemark status\" lists "
			   "them", name);
}

int jobs_accept(struct jobs *jobs, const char *volume)
{
	int r = -ENODEV;

	for (size_t i = 0; i < jobs->nr && r == -ENODEV; i++)
		if (jobs->jobs[i])
			r = job_accept(jobs->jobs[i], volume);
	if (r != -ENODEV)
		return r;
	return failure_set(-ENOENT, "%s: no volume of that name has another one in its place; "
			   "\"tidemark status\" lists them", volume);
}

/* ------------------------------------------------------------------------ status */

static void add_time(struct json_object *object, const char *name, int64_t time_s)
{
	if (time_s && time_s != INT64_MAX)
		json_add_number(object, name, (uint64_t)time_s * 1000);
}

static struct json_object *volumes_to_json(const struct job_settings *settings)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < settings->nr_volumes; i++)
		json_object_array_add(array, json_object_new_string(settings->volumes[i].name));
	return array;
}

static struct json_object *job_to_json(const struct job_settings *settings,
				       const struct job_status *status)
{
	struct json_object *object = json_object_new_object();
	const struct job_state *state = &status->state;
	const char *device = known_volume_device_name(status->devices.state);

	json_add_text(object, "job", settings->name);
	json_add_text(object, "does", settings->backs_up ? "backup" : "retention");
	json_add_text(object, "repository", settings->repository);
	json_add_text(object, "schedule", settings->schedule_text);
	json_object_object_add(object, "volumes", volumes_to_json(settings));
	json_add_text(object, "state", job_activity_name(status->activity));
	json_add_text(object, "reason", device ? status->devices.reason : state->reason);
	json_object_object_add(object, "device_state", device ? json_object_new_string(device) :
								NULL);
	json_add_number(object, "failures", state->past.failures);
	json_add_text(object, "points", state->points);
	add_time(object, "succeeded_ms", state->succeeded_s);
	if (status->activity == JOB_RUNNING)
		add_time(object, "started_ms", status->started_s);
	else
		add_time(object, "due_ms", status->due_s);
	return object;
}

struct json_object *jobs_to_json(struct jobs *jobs)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < jobs->nr; i++) {
		struct job_status status = {.activity = JOB_FAILED, .due_s = INT64_MAX};

		if (jobs->jobs[i])
			job_get_status(jobs->jobs[i], &status);
		json_object_array_add(array, job_to_json(jobs->settings[i], &status));
	}
	return array;
}

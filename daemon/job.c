// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job.h"
#include "common/bell.h"
#include "common/failure.h"
#include "common/lock_scope.h"
#include "daemon/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS      10000 /* at the devices */
#define LOOK_GONE_MS  5000
#define LOOK_CLOCK_MS 60000 /* it may have been set */
#define STATE_DIRECTORY "/var/lib/tidemark"

struct job {
	const struct job_settings *settings; /* the config's */
	char state_path[PATH_MAX];
	pthread_t thread;
	int wake_fd;   /* eventfd: something is to be looked at */
	int cancel_fd; /* eventfd: readable once the run that is under way is to end */
	atomic_bool stopping;
	atomic_bool has_ended;
	bool attached;        /* the thread's alone, as is the next */
	char said[1024];      /* of the devices, and not over yet; empty: nothing */
	pthread_mutex_t lock; /* what follows */
	struct job_status status;
	bool run_now;
	bool cancelled;       /* by somebody, not by our end */
};

const char *job_activity_name(enum job_activity activity)
{
	static const char *const names[] = {
		[JOB_WAITING] = "waiting",
		[JOB_RUNNING] = "running",
		[JOB_FAILED] = "failed",
		[JOB_PAUSED] = "paused",
		[JOB_AWAY] = "away",
	};

	return names[activity];
}

/* ------------------------------------------------------------------------- state */

static void save(struct job *job, const struct job_state *state)
{
	if (job_state_write(job->state_path, state) < 0)
		log_say(LOG_PRIORITY_WARNING, job->settings->name, "what it has done cannot be "
			"remembered: %s", failure_text());
}

static bool is_away_locked(const struct job *job)
{
	return job->status.devices.state != KNOWN_VOLUME_THERE;
}

static void rest(struct job *job)
{
	struct job_state *state = &job->status.state;

	job->status.activity = state->paused ? JOB_PAUSED :
			       is_away_locked(job) ? JOB_AWAY :
			       state->past.failures ? JOB_FAILED : JOB_WAITING;
	job->status.due_s = state->paused ? INT64_MAX :
			    schedule_due(&job->settings->schedule, &state->past, time(NULL));
}

/* --------------------------------------------------------------------------- run */

static void note_success(struct job *job, struct job_state *state, const char *points)
{
	schedule_settle(&job->settings->schedule, &state->past, job->status.started_s);
	state->succeeded_s = time(NULL);
	state->reason[0] = '\0';
	snprintf(state->points, sizeof(state->points), "%s", points);
}

static void note_failure(struct job *job, struct job_state *state)
{
	snprintf(state->reason, sizeof(state->reason), "%s", failure_text());
	schedule_note_failure(&state->past, time(NULL));
	log_say(LOG_PRIORITY_ERROR, job->settings->name, "the run has failed: %s", state->reason);
}

/* Of a pause it is due again, once that is over. */
static void note_cancel(struct job *job, struct job_state *state)
{
	log_say(LOG_PRIORITY_WARNING, job->settings->name, "the run was cancelled");
	if (!state->paused)
		schedule_settle(&job->settings->schedule, &state->past, job->status.started_s);
}

static void note(struct job *job, int result, const char *points)
{
	struct job_state *state = &job->status.state;

	if (result == 0)
		note_success(job, state, points);
	else if (result == -ECANCELED && job->cancelled)
		note_cancel(job, state);
	else if (result != -ECANCELED)
		note_failure(job, state);
}

static bool begin_run(struct job *job)
{
	LOCK_SCOPE(&job->lock);
	rest(job);
	if (is_away_locked(job) || (!job->run_now && job->status.due_s > time(NULL)))
		return false;
	bell_silence(job->cancel_fd);
	job->run_now = false;
	job->cancelled = false;
	job->status.activity = JOB_RUNNING;
	job->status.started_s = time(NULL);
	return true;
}

static void end_run(struct job *job, int result, const char *points)
{
	struct job_state state;

	{
		LOCK_SCOPE(&job->lock);
		note(job, result, points);
		rest(job);
		state = job->status.state;
	}
	save(job, &state);
}

static void run_if_due(struct job *job)
{
	char points[JOB_POINTS_BYTES] = "";
	int r;

	if (!begin_run(job))
		return;
	/* Told before the silence: there is nobody to tell it again. */
	if (atomic_load(&job->stopping))
		bell_ring(job->cancel_fd);
	r = job_run(job->settings, job->cancel_fd, points);
	end_run(job, r, points);
}

/* Each thing once, until it is over. */
static void say_once(struct job *job, const struct job_devices *devices)
{
	bool waits = devices->state != KNOWN_VOLUME_THERE;

	if (strncmp(job->said, failure_text(), sizeof(job->said) - 1) == 0)
		return;
	snprintf(job->said, sizeof(job->said), "%s", failure_text());
	log_say(LOG_PRIORITY_WARNING, job->settings->name, "%s%s", job->said,
		waits ? "" : "; will be tried again");
}

/*
 * Tracking begins with us, not with the first run: what is written until then is known. And as
 * soon as a device is back.
 */
static void look_at_devices(struct job *job)
{
	struct job_devices devices;
	int r;

	if (!job->settings->backs_up)
		return;
	r = job_devices_look(job->settings, &devices);
	if (r == 0 || (r == 1 && !job->attached))
		r = job_run_attach(job->settings, &devices);
	job->attached = r >= 0;
	if (r < 0)
		say_once(job, &devices);
	else
		job->said[0] = '\0';
	LOCK_SCOPE(&job->lock);
	job->status.devices = devices;
	rest(job);
}

static int pause_ms(struct job *job)
{
	int64_t now_s = time(NULL), due_s;
	int most_ms = job->attached ? LOOK_MS : LOOK_CLOCK_MS;

	LOCK_SCOPE(&job->lock);
	due_s = job->status.due_s;
	if (job->status.devices.state == KNOWN_VOLUME_GONE)
		return LOOK_GONE_MS;
	if (is_away_locked(job))
		return LOOK_CLOCK_MS;
	if (job->run_now || due_s <= now_s)
		return 0;
	return due_s - now_s > most_ms / 1000 ? most_ms : (int)(due_s - now_s) * 1000;
}

static void *run(void *argument)
{
	struct job *job = argument;

	while (!atomic_load(&job->stopping)) {
		struct pollfd wake = {.fd = job->wake_fd, .events = POLLIN};

		look_at_devices(job);
		run_if_due(job);
		poll(&wake, 1, pause_ms(job));
		bell_silence(job->wake_fd);
	}
	atomic_store(&job->has_ended, true);
	return NULL;
}

/* ------------------------------------------------------------------------ orders */

static int order_locked(struct job *job, enum job_order order)
{
	const char *name = job->settings->name;
	struct job_state *state = &job->status.state;
	bool runs = job->status.activity == JOB_RUNNING;

	if (order == JOB_ORDER_RUN && runs)
		return failure_set(-EBUSY, "%s: a run is under way", name);
	if (order == JOB_ORDER_RUN && state->paused)
		return failure_set(-EBUSY, "%s: is paused; resume it first", name);
	if (order == JOB_ORDER_RUN && is_away_locked(job))
		return failure_set(-ENXIO, "%s: %s", name, job->status.devices.reason);
	if (order == JOB_ORDER_CANCEL && !runs)
		return failure_set(-ENOENT, "%s: no run is under way", name);
	if (order == JOB_ORDER_RUN)
		job->run_now = true;
	else if (order != JOB_ORDER_CANCEL)
		state->paused = order == JOB_ORDER_PAUSE;
	if (runs && (order == JOB_ORDER_CANCEL || order == JOB_ORDER_PAUSE)) {
		job->cancelled = true;
		bell_ring(job->cancel_fd);
	}
	if (!runs)
		rest(job);
	return 0;
}

int job_order(struct job *job, enum job_order order)
{
	struct job_state state;
	int r;

	{
		LOCK_SCOPE(&job->lock);
		r = order_locked(job, order);
		state = job->status.state;
	}
	if (r < 0)
		return r;
	if (order == JOB_ORDER_PAUSE || order == JOB_ORDER_RESUME)
		save(job, &state);
	bell_ring(job->wake_fd);
	return 0;
}

int job_accept(struct job *job, const char *volume)
{
	const struct job_devices *devices = &job->status.devices;
	int r;

	LOCK_SCOPE(&job->lock);
	if (devices->state != KNOWN_VOLUME_REPLACED || strcmp(devices->volume, volume) != 0)
		return -ENODEV;
	r = job_devices_accept(devices);
	if (r == 0)
		bell_ring(job->wake_fd);
	return r;
}

/* -------------------------------------------------------------------------- life */

static void destroy(struct job *job)
{
	if (job->wake_fd >= 0)
		close(job->wake_fd);
	if (job->cancel_fd >= 0)
		close(job->cancel_fd);
	free(job);
}

static int start(struct job *job)
{
	int error;

	if (job->wake_fd < 0 || job->cancel_fd < 0)
		error = EMFILE;
	else
		error = pthread_create(&job->thread, NULL, run, job);
	return error ? failure_set(-error, "%s: cannot start: %s", job->settings->name,
				   strerror(error)) : 0;
}

int job_start(const struct job_settings *settings, struct job **ret_job)
{
	const char *directory = getenv("STATE_DIRECTORY");
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return failure_set(-ENOMEM, "%s: out of memory", settings->name);
	job->settings = settings;
	pthread_mutex_init(&job->lock, NULL);
	snprintf(job->state_path, sizeof(job->state_path), "%s/jobs/%s",
		 directory ? directory : STATE_DIRECTORY, settings->name);
	job->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	job->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job_state_read(job->state_path, &job->status.state) < 0)
		log_say(LOG_PRIORITY_WARNING, settings->name, "%s", failure_text());
	rest(job);
	r = start(job);
	if (r < 0) {
		destroy(job);
		return r;
	}
	*ret_job = job;
	return 0;
}

void job_ask_to_stop(struct job *job)
{
	atomic_store(&job->stopping, true);
	bell_ring(job->cancel_fd);
	bell_ring(job->wake_fd);
}

void job_stop(struct job *job)
{
	job_ask_to_stop(job);
	pthread_join(job->thread, NULL);
	destroy(job);
}

bool job_has_ended(const struct job *job)
{
	return atomic_load(&job->has_ended);
}

void job_get_status(struct job *job, struct job_status *ret_status)
{
	LOCK_SCOPE(&job->lock);
	*ret_status = job->status;
}

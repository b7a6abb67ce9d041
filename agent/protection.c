// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The life of a protection: open everything, follow one stretch after another, close
 * everything; after a failure the same again, after a pause that grows to a minute. While
 * nothing is open the module tracks, and writers are not held up by us.
 */
#include "agent/protection.h"
#include "agent/device.h"
#include "common/bell.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PAUSE_MS_MIN 1000
#define PAUSE_MS_MAX 60000
#define PAUSE_MS_GONE 5000

void protection_say(struct protection *p, enum protection_event event, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	p->say(p->settings, event, text);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	return poll(&readable, 1, timeout_ms) > 0;
}

static bool is_to_stop(const struct protection *p, int timeout_ms)
{
	return is_readable(p->stop_fd, timeout_ms);
}

int protection_check_stop(struct protection *p)
{
	return is_to_stop(p, 0) ? failure_set(-ECANCELED, "told to stop") : 0;
}

/* Where the stream is on at a later time, every write of before it has a place in the ring. */
static void make_promise(struct protection *p)
{
	struct protection_promise promise = {.time_ns = clock_ns(CLOCK_REALTIME)};

	if (p->stands && ring_stream_is_on(channel_ring(p->live.channel)) &&
	    channel_last_seq(p->live.channel, &promise.module_seq) == 0)
		p->promise = promise;
}

/* The time up to which everything has become durable; 0: nothing new. */
static uint64_t keep_promise(struct protection *p, const struct recorder_status *recorder)
{
	uint64_t time_ns;

	if (!p->promise.time_ns)
		make_promise(p);
	time_ns = p->promise.time_ns;
	if (time_ns && !p->promise.seq && recorder->module_seq >= p->promise.module_seq)
		p->promise.seq = recorder->seq;
	if (!p->promise.seq || recorder->durable_seq < p->promise.seq)
		return 0;
	p->promise = (struct protection_promise){0};
	return time_ns;
}

/*
 * A segment that could not be stored fails the next record. Of a volume that nobody writes to any
 * more there is none; a seal meets the failure as well.
 */
static void hurry_what_is_overdue(struct protection *p, const struct recorder_status *recorder)
{
	uint64_t oldest_ns = recorder_oldest_ns(p->recorder);
	bool rests = recorder->seq == p->status.recorder.seq;

	if (oldest_ns && rests && clock_ns(CLOCK_REALTIME) > oldest_ns + p->settings->rpo_ns)
		recorder_hurry(p->recorder);
}

int protection_look(struct protection *p)
{
	struct recorder_status recorder;
	uint64_t durable_ns;
	int r;

	recorder_get_status(p->recorder, &recorder);
	durable_ns = keep_promise(p, &recorder);
	hurry_what_is_overdue(p, &recorder);
	{
		LOCK_SCOPE(&p->lock);
		if (durable_ns)
			p->status.durable_ns = durable_ns;
		p->status.recorder = recorder;
	}
	r = recorder_failure(p->recorder);
	if (r == 0)
		r = protection_check_stop(p);
	return r < 0 ? r : protection_look_at_device(p);
}

int protection_wait(struct protection *p, uint64_t timeout_ns)
{
	struct pollfd fds[] = {
		{.fd = p->stop_fd, .events = POLLIN},
		{.fd = recorder_event_fd(p->recorder), .events = POLLIN},
	};

	if (poll(fds, 2, (int)(timeout_ns / 1000000 + 1)) < 0 && errno != EINTR)
		return failure_set(-errno, "poll: %s", strerror(errno));
	return protection_look(p);
}

/* --------------------------------------------------------------- open and close */

static int open_volume(struct protection *p)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct attachment attachment;
	struct tmc_repo_info info;
	int r;

	tmc_repo_get_info(p->journal_repo, &info);
	r = protection_attach(p, info.chunk_bytes, &attachment);
	if (r == 0)
		r = device_allow_stream(&attachment);
	if (r < 0)
		return r;
	r = block_tree_open_system(&tree);
	if (r < 0)
		return r;
	r = protection_open_live(p, &tree);
	if (r < 0)
		return r;
	p->has_base = p->live.info->has_base;
	memcpy(p->base.bytes, p->live.info->base, sizeof(p->base.bytes));
	LOCK_SCOPE(&p->lock);
	snprintf(p->status.attachment, sizeof(p->status.attachment), "%s", attachment.name);
	snprintf(p->status.volume_id, sizeof(p->status.volume_id), "%s", p->live.volume.volume_id);
	p->status.volume_bytes = p->live.info->volume_bytes;
	return 0;
}

/* Points are listed oldest first. */
static void take_point(struct protection *p, const struct tmc_point *point, uint64_t *ret_seq)
{
	if (strcmp(point->volume.volume_id, p->live.volume.volume_id) != 0)
		return;
	if (!point->moment.settles_seq)
		protection_note_point(p, point, point->cut_time_ns);
	if (point->moment.seq > *ret_seq)
		*ret_seq = point->moment.seq;
}

/* Above all that has been used; and the latest point becomes known. */
static int find_last_seq(struct protection *p, uint64_t *ret_seq)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr_points = 0;
	int r = tmc_segment_last_seq(p->journal_repo, p->live.volume.volume_id, ret_seq);

	if (r == 0 || r == -EBADMSG)
		r = tmc_point_list(p->journal_repo, &points, &nr_points);
	if (r < 0 && r != -EBADMSG)
		return catalog_failure(r);
	for (size_t i = 0; i < nr_points; i++)
		take_point(p, &points[i], ret_seq);
	return 0;
}

int protection_start_recorder(struct protection *p, const struct handover *handover)
{
	struct recorder_request request = {
		.channel = p->live.channel,
		.source = {.fd = p->live.fd, .info = p->live.info},
		.repo = p->journal_repo,
		.volume = &p->live.volume,
		.rpo_ns = p->settings->rpo_ns,
		.memory_bytes = p->settings->memory_bytes,
		.handover = handover,
	};
	uint64_t last_seq = handover ? handover->seq : 0;
	int r = handover ? 0 : find_last_seq(p, &last_seq);

	request.first_seq = last_seq + 1;
	return r < 0 ? r : recorder_start(&request, &p->recorder);
}

int protection_open_repo(struct protection *p)
{
	int r = tmc_repo_open(p->settings->repository, &p->repo);

	return r < 0 ? catalog_failure(r) : 0;
}

void protection_close_repo(struct protection *p)
{
	if (p->repo)
		tmc_repo_close(p->repo);
	p->repo = NULL;
}

static int open_all(struct protection *p)
{
	int r = protection_find_device(p);

	if (r < 0)
		return r;
	r = tmc_repo_open(p->settings->repository, &p->journal_repo);
	if (r < 0)
		return catalog_failure(r);
	r = open_volume(p);
	if (r == 0 && !p->recorder)
		r = protection_start_recorder(p, NULL);
	if (r == 0)
		protection_show(p);
	return r;
}

/* True: it had one, and everything that it had taken is durable. */
static bool stop_recorder(struct protection *p)
{
	bool is_well = p->recorder && recorder_stop(p->recorder) == 0;

	p->recorder = NULL;
	return is_well;
}

/*
 * A failure that is noticed only now is not one that there was before. A channel that was not
 * opened yet is left where it is kept, for the next try.
 */
static void close_all(struct protection *p, bool is_orderly)
{
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	protection_hide(p);
	is_orderly = stop_recorder(p) && is_orderly && protection_is_handed_over(p);
	if (p->live.channel && !is_orderly)
		protection_drop_channel(p);
	p->cut_epoch = 0;
	p->stands = false;
	p->promise = (struct protection_promise){0};
	live_volume_close(&p->live);
	if (p->journal_repo)
		tmc_repo_close(p->journal_repo);
	p->journal_repo = NULL;
	failure_set(-ECANCELED, "%s", reason);
}

/* ------------------------------------------------------------------------ thread */

static int follow_stretches(struct protection *p)
{
	int r;

	do {
		r = p->stands ? 0 : protection_begin_stretch(p);
		if (r == 0)
			r = protection_follow(p);
		if (r == 0 || r == -EAGAIN) {
			protection_say(p, PROTECTION_WARNING, "the stream has a gap: the ring was full; "
				       "reading again what was written meanwhile");
			protection_set_state(p, PROTECTION_STARTING);
			protection_note_gap(p);
		}
	} while (r == 0 || r == -EAGAIN);
	return r;
}

static int protect(struct protection *p)
{
	int r;

	protection_set_state(p, PROTECTION_STARTING);
	r = open_all(p);
	if (r == 0)
		r = follow_stretches(p);
	if (r == -ECANCELED && p->recorder) {
		protection_settle(p);
		atomic_store(&p->has_settled, true);
		while (!is_readable(p->leave_fd, -1))
			; /* a signal */
	}
	close_all(p, r == -ECANCELED);
	return r;
}

static void say_failure(struct protection *p)
{
	bool news = protection_note_failure(p, failure_text());
	bool waits = p->status.device != KNOWN_VOLUME_THERE;

	protection_set_state(p, PROTECTION_WAITING);
	if (news)
		protection_say(p, PROTECTION_WARNING, "%s%s", failure_text(),
			       waits ? "" : "; will be tried again");
}

/* Until it is to end, or somebody wants it tried. */
static void rest(struct protection *p, int pause_ms)
{
	struct pollfd fds[] = {
		{.fd = p->stop_fd, .events = POLLIN},
		{.fd = p->retry_fd, .events = POLLIN},
	};

	poll(fds, 2, pause_ms);
	if (fds[1].revents)
		bell_silence(p->retry_fd);
}

/* What is not there is looked for steadily; what fails, ever more seldom. */
static void rest_after_failure(struct protection *p, int *pause_ms, uint64_t start_ns)
{
	/* What worked for a while is not what fails at once. */
	if (clock_ns(CLOCK_MONOTONIC) - start_ns > PAUSE_MS_MAX * 1000000ull)
		*pause_ms = PAUSE_MS_MIN;
	if (p->status.device == KNOWN_VOLUME_GONE) {
		rest(p, PAUSE_MS_GONE);
		return;
	}
	rest(p, *pause_ms);
	*pause_ms = 2 * *pause_ms < PAUSE_MS_MAX ? 2 * *pause_ms : PAUSE_MS_MAX;
}

static void *run(void *argument)
{
	struct protection *p = argument;
	int pause_ms = PAUSE_MS_MIN;

	while (!is_to_stop(p, 0)) {
		uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

		p->device_has_changed = false;
		if (protect(p) == -ECANCELED)
			break;
		if (p->device_has_changed)
			continue;
		say_failure(p);
		rest_after_failure(p, &pause_ms, start_ns);
	}
	atomic_store(&p->has_settled, true);
	atomic_store(&p->has_ended, true);
	return NULL;
}

/* The strings stand behind the rest. */
static struct protection_settings *copy_settings(const struct protection_settings *settings)
{
	size_t name = strlen(settings->name) + 1, device = strlen(settings->device) + 1;
	struct protection_settings *copy =
		malloc(sizeof(*copy) + name + device + strlen(settings->repository) + 1);
	char *text = (char *)(copy + 1);

	if (!copy)
		return NULL;
	*copy = *settings;
	copy->name = strcpy(text, settings->name);
	copy->device = strcpy(text + name, settings->device);
	copy->repository = strcpy(text + name + device, settings->repository);
	return copy;
}

static void destroy(struct protection *p)
{
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	if (p->leave_fd >= 0)
		close(p->leave_fd);
	if (p->retry_fd >= 0)
		close(p->retry_fd);
	free(p->settings);
	free(p);
}

int protection_start(const struct protection_settings *settings,
		     void (*say)(const struct protection_settings *settings,
				 enum protection_event event, const char *text),
		     struct protection **ret_protection)
{
	struct protection *p = calloc(1, sizeof(*p));
	int error;

	if (!p)
		return failure_set(-ENOMEM, "%s: out of memory", settings->name);
	p->settings = copy_settings(settings);
	p->say = say;
	p->live.fd = -1;
	pthread_mutex_init(&p->lock, NULL);
	p->stop_fd = eventfd(0, EFD_CLOEXEC);
	p->leave_fd = eventfd(0, EFD_CLOEXEC);
	p->retry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = !p->settings ? ENOMEM :
		p->stop_fd < 0 || p->leave_fd < 0 || p->retry_fd < 0 ? errno :
		pthread_create(&p->thread, NULL, run, p);
	if (error) {
		destroy(p);
		return failure_set(-error, "%s: cannot start: %s", settings->name, strerror(error));
	}
	*ret_protection = p;
	return 0;
}

void protection_ask_to_stop(struct protection *p)
{
	bell_ring(p->stop_fd);
}

void protection_let_go(struct protection *p)
{
	bell_ring(p->stop_fd);
	bell_ring(p->leave_fd);
}

void protection_stop(struct protection *p)
{
	protection_let_go(p);
	pthread_join(p->thread, NULL);
	destroy(p);
}

bool protection_has_settled(const struct protection *p)
{
	return atomic_load(&p->has_settled);
}

bool protection_has_ended(const struct protection *p)
{
	return atomic_load(&p->has_ended);
}

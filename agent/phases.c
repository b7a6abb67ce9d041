// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A signal ends the hook in a phase that comes before the cut; then nothing has been made. In
 * the later ones it would only leave the application as it is, so these have their full time.
 */
#include "agent/phases.h"
#include "agent/hook.h"
#include "agent/interrupt.h"
#include "agent/volume_backup.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/progress.h"
#include "common/threads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NR_VARIABLES_MAX 4

struct telling {
	struct phases *phases;
	const char *phase;
	const char *reason; /* of on-failure; or NULL */
	bool points;        /* they are made */
	int interrupt_fd;   /* -1: a signal does not end it */
};

/* ---------------------------------------------------------------------- variables */

typedef void print_fn(FILE *stream, const struct volume_backup *v);

static void print_name(FILE *stream, const struct volume_backup *v)
{
	fputs(v->live.attachment.name, stream);
}

static void print_device(FILE *stream, const struct volume_backup *v)
{
	fputs(v->live.node, stream);
}

static void print_point(FILE *stream, const struct volume_backup *v)
{
	char id[TMC_ID_TEXT];

	tmc_id_format(&v->result->point.id, id);
	fputs(id, stream);
}

/* NULL: out of memory. */
static char *list_volumes(const struct phases *phases, const char *name, print_fn *print)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	if (!stream)
		return NULL;
	fprintf(stream, "%s=", name);
	for (size_t i = 0; i < phases->nr_volumes; i++) {
		if (i)
			fputc(' ', stream);
		print(stream, &phases->volumes[i]);
	}
	fclose(stream);
	return text;
}

static char *text_variable(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

static void free_variables(char *(*variables)[NR_VARIABLES_MAX])
{
	for (size_t i = 0; i < NR_VARIABLES_MAX; i++)
		free((*variables)[i]);
}

/* Returns how many. Errors: -ENOMEM. */
static int make_variables(const struct telling *telling, char *variables[NR_VARIABLES_MAX])
{
	const struct phases *phases = telling->phases;
	int nr = 0;

	variables[nr++] = text_variable("TIDEMARK_REPOSITORY", phases->request->repository);
	variables[nr++] = list_volumes(phases, "TIDEMARK_VOLUMES", print_name);
	variables[nr++] = list_volumes(phases, "TIDEMARK_DEVICES", print_device);
	if (telling->points)
		variables[nr++] = list_volumes(phases, "TIDEMARK_POINTS", print_point);
	if (telling->reason)
		variables[nr++] = text_variable("TIDEMARK_REASON", telling->reason);
	for (int i = 0; i < nr; i++)
		if (!variables[i])
			return failure_set(-ENOMEM, "hook %s: out of memory", phases->request->hook);
	return nr;
}

/* ------------------------------------------------------------------------ telling */

static void say_line(void *context, const char *text)
{
	const struct telling *telling = context;
	char line[1024];

	if (!telling->phases->request->notice)
		return;
	snprintf(line, sizeof(line), "hook %s: %s", telling->phase, text);
	progress_clear(telling->phases->progress);
	telling->phases->request->notice(line);
}

static int tell(struct telling *telling)
{
	CLEANUP(free_variables) char *variables[NR_VARIABLES_MAX] = {0};
	const struct backup_request *request = telling->phases->request;
	struct hook_call call = {
		.path = request->hook,
		.phase = telling->phase,
		.variables = variables,
		.timeout_ns = request->hook_timeout_ns,
		.interrupt_fd = telling->interrupt_fd,
		.line = say_line,
		.context = telling,
	};
	int nr = make_variables(telling, variables);

	if (nr < 0)
		return nr;
	call.nr_variables = (size_t)nr;
	return hook_run(&call);
}

/* Of a phase that fails nothing. Keeps failure_text(). */
static void tell_and_go_on(struct telling *telling)
{
	const struct backup_request *request = telling->phases->request;
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	if (tell(telling) < 0) {
		telling->phases->failed = true;
		progress_clear(telling->phases->progress);
		if (request->warning)
			request->warning(failure_text());
	}
	failure_set(-ECANCELED, "%s", reason);
}

/* told: is true before the hook can know of the phase. */
static int tell_or_fail(struct phases *phases, const char *phase, bool *told)
{
	struct telling telling = {
		.phases = phases,
		.phase = phase,
		.interrupt_fd = phases->interrupt->fd,
	};

	if (!phases->request->hook)
		return 0;
	if (interrupt_is_pending(phases->interrupt))
		return failure_set(-ECANCELED, "interrupted; no restore point was made");
	*told = true;
	return tell(&telling);
}

int phases_begin(struct phases *phases)
{
	return tell_or_fail(phases, "before-backup", &phases->begun);
}

int phases_before_cut(struct phases *phases)
{
	return tell_or_fail(phases, "before-cut", &phases->quiet);
}

static void *tell_after_cut(void *argument)
{
	struct telling telling = {.phases = argument, .phase = "after-cut", .interrupt_fd = -1};

	tell_and_go_on(&telling);
	return NULL;
}

void phases_after_cut(struct phases *phases)
{
	char reason[1024];

	if (!phases->quiet)
		return;
	phases->quiet = false;
	snprintf(reason, sizeof(reason), "%s", failure_text());
	phases->has_thread = threads_start_small(&phases->thread, tell_after_cut, phases) == 0;
	failure_set(-ECANCELED, "%s", reason);
	if (!phases->has_thread)
		tell_after_cut(phases); /* late is better than never */
}

void phases_wait(struct phases *phases)
{
	if (phases->has_thread)
		pthread_join(phases->thread, NULL);
	phases->has_thread = false;
}

void phases_end(struct phases *phases, int error)
{
	struct telling telling = {
		.phases = phases,
		.phase = error ? "on-failure" : "after-backup",
		.reason = error ? failure_text() : NULL,
		.points = !error,
		.interrupt_fd = -1,
	};

	if (phases->begun)
		tell_and_go_on(&telling);
}

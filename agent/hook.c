// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a hook prints is not trusted: it goes through a line_split before anybody sees it.
 */
#include "agent/hook.h"
#include "agent/child.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/line_split.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define NR_OWN_VARIABLES 4
#define SIGNALLED        128 /* child_run() */

int hook_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return failure_set(errno == ENOENT ? -ENOENT : -ENOEXEC, "hook %s: %s", path,
				   strerror(errno));
	if (!S_ISREG(st.st_mode))
		return failure_set(-ENOEXEC, "hook %s: is no file; give an executable", path);
	if (!(st.st_mode & 0111))
		return failure_set(-ENOEXEC, "hook %s: is not executable; \"chmod 755 %s\"", path, path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return failure_set(-ENOEXEC, "hook %s: belongs to another user, who could have "
				   "anything run by it; \"chown root %s\"", path, path);
	if (st.st_mode & 0022)
		return failure_set(-ENOEXEC, "hook %s: can be changed by other users, who could have "
				   "anything run by it; \"chmod go-w %s\"", path, path);
	return 0;
}

/* ----------------------------------------------------------------------- running */

static char *own_variable(const char *name, const char *standard)
{
	const char *value = getenv(name);
	char *text;

	return asprintf(&text, "%s=%s", name, value && *value ? value : standard) < 0 ? NULL : text;
}

static void free_own(char *(*own)[NR_OWN_VARIABLES])
{
	for (size_t i = 0; i < NR_OWN_VARIABLES; i++)
		free((*own)[i]);
}

static int run_with(const struct hook_call *call, char *own[NR_OWN_VARIABLES],
		    struct child_request *request)
{
	CLEANUP_FREE char **environment = calloc(NR_OWN_VARIABLES + call->nr_variables + 1,
						 sizeof(*environment));

	for (size_t i = 0; i < NR_OWN_VARIABLES; i++)
		if (!environment || !own[i])
			return failure_set(-ENOMEM, "out of memory");
	memcpy(environment, own, NR_OWN_VARIABLES * sizeof(*environment));
	for (size_t i = 0; i < call->nr_variables; i++)
		environment[NR_OWN_VARIABLES + i] = call->variables[i];
	request->environment = environment;
	return child_run(request);
}

static void hear(void *context, int fd, const char *line)
{
	struct line_split *output = context;

	line_split_put(output, line, strlen(line));
	line_split_end(output);
}

static int run(const struct hook_call *call, struct line_split *output)
{
	CLEANUP(free_own) char *own[NR_OWN_VARIABLES] = {
		own_variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		own_variable("LANG", "C"),
		own_variable("HOME", "/"),
	};
	char *argv[] = {(char *)call->path, (char *)call->phase, NULL};
	struct child_request request = {
		.argv = argv,
		.output = CHILD_OUTPUT_TOGETHER,
		.limit_ns = call->timeout_ns,
		.grace_ns = call->grace_ns,
		.stop_fd = call->interrupt_fd,
		.hear = hear,
		.context = output,
	};

	if (asprintf(&own[3], "TIDEMARK_PHASE=%s", call->phase) < 0)
		own[3] = NULL;
	return run_with(call, own, &request);
}

/* ----------------------------------------------------------------------- verdict */

static int was_not_run(const struct hook_call *call, int error)
{
	char reason[512];

	switch (error) {
	case -ECANCELED:
		return failure_set(error, "interrupted; no restore point was made");
	case -ETIMEDOUT:
		return failure_set(error, "hook %s: %s was not done after %" PRIu64 ".%03" PRIu64
				   " s and was ended", call->path, call->phase,
				   call->timeout_ns / 1000000000u, call->timeout_ns / 1000000u % 1000);
	case -ENOEXEC:
		return failure_set(error, "hook %s: is no program; a script begins with #! and its "
				   "interpreter", call->path);
	case -ENOENT: /* it was there just now */
		return failure_set(-ENOEXEC, "hook %s: its interpreter is not there", call->path);
	case -EACCES:
		return failure_set(-ENOEXEC, "hook %s: cannot be run: %s; is its file system mounted "
				   "with noexec?", call->path, strerror(-error));
	default:
		snprintf(reason, sizeof(reason), "%s", failure_text());
		return failure_set(error, "hook %s: %s", call->path, reason);
	}
}

/* What it said last is most often why. */
static int judge(const struct hook_call *call, int status, const char *latest)
{
	char how[96];

	if (status <= 0)
		return status < 0 ? was_not_run(call, status) : 0;
	if (status > SIGNALLED && status < SIGNALLED + NSIG)
		snprintf(how, sizeof(how), "was ended by signal %d (%s)", status - SIGNALLED,
			 strsignal(status - SIGNALLED));
	else
		snprintf(how, sizeof(how), "failed with status %d", status);
	return failure_set(-ECHILD, "hook %s: %s %s%s%s", call->path, call->phase, how,
			   *latest ? ": " : "", latest);
}

static void say_what_was_left_out(const struct line_split *output)
{
	char text[80];

	if (output->nr_lines <= output->nr_max)
		return;
	snprintf(text, sizeof(text), "... and %" PRIu64 " more lines",
		 output->nr_lines - output->nr_max);
	output->line(output->context, text);
}

static void no_line(void *context, const char *text)
{
}

int hook_run(const struct hook_call *call)
{
	struct line_split output = {
		.line = call->line ? call->line : no_line,
		.context = call->context,
		.nr_max = HOOK_LINES_MAX,
	};
	int r = hook_check(call->path);

	if (r < 0)
		return r;
	r = run(call, &output);
	say_what_was_left_out(&output);
	return judge(call, r, output.latest);
}

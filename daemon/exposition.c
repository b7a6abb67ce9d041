// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/exposition.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "daemon/log.h"
#include "daemon/metrics_file.h"
#include "daemon/metrics_http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD_NS 15000000000u /* as often as Prometheus asks where nobody said otherwise */

/* Once for each reason; and when it is over. */
static void say_outcome(int error, const char *what, char *trouble, size_t bytes)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", error < 0 ? failure_text() : "");
	if (strcmp(text, trouble) == 0)
		return;
	if (error < 0)
		log_say(LOG_PRIORITY_WARNING, NULL, "%s: %s; will be tried again", what, text);
	else
		log_say(LOG_PRIORITY_INFO, NULL, "%s: works again", what);
	snprintf(trouble, bytes, "%s", text);
}

/* ------------------------------------------------------------------------- file */

static int write_file(struct exposition *exposition)
{
	CLEANUP_FREE char *text = exposition->render(exposition->context);

	if (!text)
		return failure_set(-ENOMEM, "out of memory");
	return metrics_file_replace(exposition->file, text);
}

static void end_file(struct exposition *exposition)
{
	if (exposition->file)
		metrics_file_remove(exposition->file);
	free(exposition->file);
	exposition->file = NULL;
	exposition->file_trouble[0] = '\0';
}

/* ------------------------------------------------------------------------- HTTP */

static int start_http(struct exposition *exposition)
{
	union loopback_address address;
	int r = loopback_address_parse(exposition->listen, &address);

	if (r == 0)
		r = metrics_http_start(&address, exposition->render, exposition->context,
				       &exposition->http);
	return r;
}

static void end_http(struct exposition *exposition)
{
	if (exposition->http)
		metrics_http_stop(exposition->http);
	exposition->http = NULL;
	free(exposition->listen);
	exposition->listen = NULL;
	exposition->http_trouble[0] = '\0';
}

/* -------------------------------------------------------------------------- all */

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Out of memory it is none. */
static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

void exposition_set(struct exposition *exposition, const struct config *config)
{
	if (!is_same(exposition->file, config->metrics_file)) {
		end_file(exposition);
		exposition->file = copy(config->metrics_file);
	}
	if (!is_same(exposition->listen, config->metrics_listen)) {
		end_http(exposition);
		exposition->listen = copy(config->metrics_listen);
	}
	exposition->next_ns = 0;
	exposition_run(exposition);
}

int exposition_fd(const struct exposition *exposition)
{
	return exposition->http ? metrics_http_fd(exposition->http) : -1;
}

int exposition_timeout_ms(const struct exposition *exposition)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), next_ns = exposition->next_ns;
	int http_ms = exposition->http ? metrics_http_timeout_ms(exposition->http) : -1;
	int next_ms;

	if (!exposition->file && (!exposition->listen || exposition->http))
		return http_ms;
	next_ms = next_ns > now_ns ? (int)((next_ns - now_ns) / 1000000 + 1) : 0;
	return http_ms >= 0 && http_ms < next_ms ? http_ms : next_ms;
}

void exposition_run(struct exposition *exposition)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (exposition->http)
		metrics_http_run(exposition->http);
	if (now_ns < exposition->next_ns)
		return;
	exposition->next_ns = now_ns + PERIOD_NS;
	if (exposition->file)
		say_outcome(write_file(exposition), "metrics-file", exposition->file_trouble,
			    sizeof(exposition->file_trouble));
	if (exposition->listen && !exposition->http)
		say_outcome(start_http(exposition), exposition->listen, exposition->http_trouble,
			    sizeof(exposition->http_trouble));
}

void exposition_end(struct exposition *exposition)
{
	end_file(exposition);
	end_http(exposition);
}

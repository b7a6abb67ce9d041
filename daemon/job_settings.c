// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job_settings.h"

#include <stdlib.h>
#include <string.h>

static void free_options(struct job_options *options)
{
	for (size_t i = 0; i < options->nr; i++)
		free(options->options[i].value);
	free(options->options);
}

void job_settings_free(struct job_settings *settings)
{
	if (!settings)
		return;
	for (size_t i = 0; i < settings->nr_volumes; i++) {
		free(settings->volumes[i].name);
		free(settings->volumes[i].device);
	}
	free_options(&settings->limits);
	free_options(&settings->keeps);
	free(settings->volumes);
	free(settings->name);
	free(settings->repository);
	free(settings->schedule_text);
	free(settings->hook);
	free(settings->hook_timeout);
	free(settings);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_volumes(const struct job_settings *a, const struct job_settings *b)
{
	if (a->nr_volumes != b->nr_volumes)
		return false;
	for (size_t i = 0; i < a->nr_volumes; i++)
		if (!same_text(a->volumes[i].name, b->volumes[i].name) ||
		    !same_text(a->volumes[i].device, b->volumes[i].device))
			return false;
	return true;
}

static bool same_options(const struct job_options *a, const struct job_options *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (!same_text(a->options[i].name, b->options[i].name) ||
		    !same_text(a->options[i].value, b->options[i].value))
			return false;
	return true;
}

bool job_settings_same(const struct job_settings *a, const struct job_settings *b)
{
	return same_text(a->name, b->name) && same_text(a->repository, b->repository) &&
	       a->backs_up == b->backs_up && same_volumes(a, b) &&
	       same_text(a->schedule_text, b->schedule_text) &&
	       a->schedule.late_s == b->schedule.late_s && same_text(a->hook, b->hook) &&
	       same_text(a->hook_timeout, b->hook_timeout) && same_options(&a->limits, &b->limits) &&
	       same_options(&a->keeps, &b->keeps);
}

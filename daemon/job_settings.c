// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job_settings.h"

#include <stdlib.h>
#include <string.h>

void job_settings_free(struct job_settings *settings)
{
	if (!settings)
		return;
	for (size_t i = 0; i < settings->nr_volumes; i++) {
		free(settings->volumes[i].name);
		free(settings->volumes[i].device);
	}
	for (size_t i = 0; i < settings->nr_keeps; i++)
		free(settings->keeps[i].value);
	free(settings->volumes);
	free(settings->keeps);
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

static bool same_keeps(const struct job_settings *a, const struct job_settings *b)
{
	if (a->nr_keeps != b->nr_keeps)
		return false;
	for (size_t i = 0; i < a->nr_keeps; i++)
		if (!same_text(a->keeps[i].rule, b->keeps[i].rule) ||
		    !same_text(a->keeps[i].value, b->keeps[i].value))
			return false;
	return true;
}

bool job_settings_same(const struct job_settings *a, const struct job_settings *b)
{
	return same_text(a->name, b->name) && same_text(a->repository, b->repository) &&
	       a->backs_up == b->backs_up && same_volumes(a, b) &&
	       same_text(a->schedule_text, b->schedule_text) &&
	       a->schedule.late_s == b->schedule.late_s && same_text(a->hook, b->hook) &&
	       same_text(a->hook_timeout, b->hook_timeout) && same_keeps(a, b);
}

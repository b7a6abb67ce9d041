// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/config_jobs.h"
#include "agent/limits.h"
#include "common/duration_text.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000u
#define HOUR_NS   (3600ull * SECOND_NS)
#define SCHEDULE_DEFAULT  "1h"
#define RETENTION_SCHEDULE "daily"
#define RETENTION_JITTER_S 3600

/* As the commands have them; without the dashes they are those of the config. */
static const char *const limit_options[] = {"--rate", "--cpu-share", "--io-class"};
static const char *const rule_options[] = {
	"--keep-last", "--keep-hourly", "--keep-daily", "--keep-weekly", "--keep-monthly",
	"--keep-yearly", "--keep-within",
};

#define NR_LIMITS (sizeof(limit_options) / sizeof(limit_options[0]))
#define NR_RULES  (sizeof(rule_options) / sizeof(rule_options[0]))
#define RULE(i)   (rule_options[i] + 2)
#define WITHIN    (NR_RULES - 1) /* a span of time, the others are numbers */

/* ------------------------------------------------------------------------ checks */

static const char *value_of(cfg_opt_t *option)
{
	return cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
}

static int check_mode(cfg_t *cfg, cfg_opt_t *option)
{
	const char *text = value_of(option);

	if (strcmp(text, "stream") == 0 || strcmp(text, "track") == 0)
		return 0;
	cfg_error(cfg, "mode = %s: is \"stream\" or \"track\"", text);
	return -1;
}

static int check_schedule(cfg_t *cfg, cfg_opt_t *option)
{
	struct schedule schedule;

	if (schedule_parse(value_of(option), &schedule) == 0)
		return 0;
	cfg_error(cfg, "schedule = %s: is no schedule; give an interval from 1min on, or times as "
		  "\"Mon..Fri 02:30\"", value_of(option));
	return -1;
}

int config_check_span(cfg_t *cfg, cfg_opt_t *option)
{
	uint64_t ns;

	if (duration_text_parse(value_of(option), &ns) == 0)
		return 0;
	cfg_error(cfg, "%s = %s: is no span of time; give one as 5s, 30min, 1h, 2d",
		  cfg_opt_name(option), value_of(option));
	return -1;
}

static int check_within(cfg_t *cfg, cfg_opt_t *option)
{
	uint64_t ns;

	if (duration_text_parse(value_of(option), &ns) == 0 && ns >= HOUR_NS)
		return 0;
	cfg_error(cfg, "keep-within = %s: is no span of time from 1h on", value_of(option));
	return -1;
}

static int check_count(cfg_t *cfg, cfg_opt_t *option)
{
	const char *text = value_of(option);
	size_t digits = strspn(text, "0123456789");

	if (strcmp(text, "all") == 0 ||
	    (digits && digits < 10 && !text[digits] && strtoul(text, NULL, 10) > 0))
		return 0;
	cfg_error(cfg, "%s = %s: is a number from 1 on, or \"all\"", cfg_opt_name(option), text);
	return -1;
}

static int check_hook(cfg_t *cfg, cfg_opt_t *option)
{
	if (value_of(option)[0] == '/')
		return 0;
	cfg_error(cfg, "hook = %s: is no path from the root on", value_of(option));
	return -1;
}

static int check_limit(cfg_t *cfg, cfg_opt_t *option, int r)
{
	if (r < 0)
		cfg_error(cfg, "%s = %s: %s", cfg_opt_name(option), value_of(option), failure_text());
	return r < 0 ? -1 : 0;
}

static int check_rate(cfg_t *cfg, cfg_opt_t *option)
{
	struct limits limits;

	return check_limit(cfg, option,
			   limits_parse_rate(value_of(option), &limits.bytes_per_second));
}

static int check_cpu_share(cfg_t *cfg, cfg_opt_t *option)
{
	struct limits limits;

	return check_limit(cfg, option,
			   limits_parse_cpu_share(value_of(option), &limits.cpu_percent));
}

static int check_io_class(cfg_t *cfg, cfg_opt_t *option)
{
	struct limits limits;

	return check_limit(cfg, option, limits_parse_io_class(value_of(option), &limits.io_class));
}

static void check_option(cfg_t *top, const char *section, const char *option,
			 cfg_validate_callback_t check)
{
	char name[64];

	snprintf(name, sizeof(name), "%s|%s", section, option);
	cfg_set_validate_func(top, name, check);
}

void config_jobs_check(cfg_t *top)
{
	static const char *const sections[] = {"volume", "group"};

	check_option(top, "volume", "mode", check_mode);
	for (size_t i = 0; i < 2; i++) {
		check_option(top, sections[i], "schedule", check_schedule);
		check_option(top, sections[i], "jitter", config_check_span);
		check_option(top, sections[i], "hook", check_hook);
		check_option(top, sections[i], "hook-timeout", config_check_span);
		check_option(top, sections[i], "rate", check_rate);
		check_option(top, sections[i], "cpu-share", check_cpu_share);
		check_option(top, sections[i], "io-class", check_io_class);
		for (size_t rule = 0; rule < NR_RULES; rule++)
			check_option(top, sections[i], RULE(rule),
				     rule == WITHIN ? check_within : check_count);
	}
}

/* --------------------------------------------------------------------------- jobs */

bool config_is_tracked(cfg_t *volume)
{
	return strcmp(cfg_getstr(volume, "mode"), "track") == 0;
}

int config_bad_section(const char *path, cfg_t *section, const char *what)
{
	return failure_set(-EINVAL, "%s, line %d: %s \"%s\": %s", path, section->line,
			   cfg_name(section), cfg_title(section), what);
}

static int out_of_memory(const char *path)
{
	return failure_set(-ENOMEM, "%s: out of memory", path);
}

/* A copy of a text; NULL stays NULL. */
static bool copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return !text || *ret_copy;
}

static bool has_any(cfg_t *section, const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (cfg_getstr(section, names[i] + 2))
			return true;
	return false;
}

static bool has_keeps(cfg_t *section)
{
	return has_any(section, rule_options, NR_RULES);
}

static bool has_limits(cfg_t *section)
{
	return has_any(section, limit_options, NR_LIMITS);
}

static bool take_options(cfg_t *section, const char *const *names, size_t nr,
			 struct job_options *ret_options)
{
	ret_options->options = calloc(nr, sizeof(*ret_options->options));
	if (!ret_options->options)
		return false;
	for (size_t i = 0; i < nr; i++) {
		struct job_option *option = &ret_options->options[ret_options->nr];

		if (!cfg_getstr(section, names[i] + 2))
			continue;
		option->name = names[i];
		if (!copy_text(cfg_getstr(section, names[i] + 2), &option->value))
			return false;
		ret_options->nr++;
	}
	return true;
}

static bool take_schedule(cfg_t *section, struct job_settings *job)
{
	const char *text = cfg_getstr(section, "schedule");
	int64_t jitter_s = RETENTION_JITTER_S;
	uint64_t ns = 0;

	if (!job->backs_up)
		text = RETENTION_SCHEDULE;
	else if (!text)
		text = SCHEDULE_DEFAULT;
	if (job->backs_up && duration_text_parse(cfg_getstr(section, "jitter"), &ns) == 0)
		jitter_s = (int64_t)(ns / SECOND_NS);
	schedule_parse(text, &job->schedule);
	schedule_spread(&job->schedule, jitter_s, job->name);
	return copy_text(text, &job->schedule_text);
}

static bool take_volume(cfg_t *volume, struct job_settings *job)
{
	struct job_volume *to = &job->volumes[job->nr_volumes++];

	return copy_text(cfg_title(volume), &to->name) &&
	       copy_text(cfg_getstr(volume, "device"), &to->device);
}

/* What a section says of its job; volumes are to be added. */
static int begin_job(const char *path, cfg_t *top, cfg_t *section, size_t nr_volumes,
		     struct config *config, struct job_settings **ret_job)
{
	struct job_settings *job = calloc(1, sizeof(*job));
	const char *repository = cfg_getstr(section, "repository");

	if (!job)
		return out_of_memory(path);
	*ret_job = config->jobs[config->nr_jobs++] = job;
	job->backs_up = strcmp(cfg_name(section), "group") == 0 || config_is_tracked(section);
	job->volumes = calloc(nr_volumes, sizeof(*job->volumes));
	if (!repository)
		repository = cfg_getstr(top, "repository");
	if (!repository)
		return config_bad_section(path, section,
					  "has no repository; name one, in it or above");
	if (strchr(cfg_title(section), '/') || cfg_title(section)[0] == '.')
		return config_bad_section(path, section,
					  "no name of a job has a /, or begins with a dot");
	if (!job->volumes || !copy_text(cfg_title(section), &job->name) ||
	    !copy_text(repository, &job->repository) ||
	    !copy_text(cfg_getstr(section, "hook"), &job->hook) ||
	    !copy_text(cfg_getstr(section, "hook-timeout"), &job->hook_timeout) ||
	    !take_schedule(section, job) ||
	    !take_options(section, limit_options, NR_LIMITS, &job->limits) ||
	    !take_options(section, rule_options, NR_RULES, &job->keeps))
		return out_of_memory(path);
	return 0;
}

/* ------------------------------------------------------------------------ volumes */

static bool is_in_group(cfg_t *group, const char *volume)
{
	for (unsigned int i = 0; i < cfg_size(group, "volumes"); i++)
		if (strcmp(cfg_getnstr(group, "volumes", i), volume) == 0)
			return true;
	return false;
}

static unsigned int count_groups(cfg_t *top, const char *volume)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < cfg_size(top, "group"); i++)
		nr += is_in_group(cfg_getnsec(top, "group", i), volume);
	return nr;
}

static int check_volume(const char *path, cfg_t *top, cfg_t *volume)
{
	unsigned int nr_groups = count_groups(top, cfg_title(volume));
	bool has_schedule = cfg_getstr(volume, "schedule") || cfg_getstr(volume, "hook");

	if (!cfg_getstr(volume, "device"))
		return config_bad_section(path, volume, "has no device");
	if (nr_groups > 1)
		return config_bad_section(path, volume, "is in several groups");
	if (nr_groups && !config_is_tracked(volume))
		return config_bad_section(path, volume,
					  "is in a group, so its mode has to be track");
	if (nr_groups && (has_schedule || has_limits(volume) || has_keeps(volume)))
		return config_bad_section(path, volume, "is in a group, which is where schedule, "
					  "hook, limits and keep rules belong");
	if (!config_is_tracked(volume) && has_schedule)
		return config_bad_section(path, volume, "schedule and hook are for mode = track; "
					  "how often points are made of a stream is \"points\"");
	if (!config_is_tracked(volume) && has_limits(volume))
		return config_bad_section(path, volume, "rate, cpu-share and io-class are for mode = "
					  "track; of a stream it is \"scan-rate\"");
	return 0;
}

static int take_own_job(const char *path, cfg_t *top, cfg_t *volume, struct config *config)
{
	struct job_settings *job;
	int r = check_volume(path, top, volume);

	if (r < 0 || count_groups(top, cfg_title(volume)) ||
	    (!config_is_tracked(volume) && !has_keeps(volume)))
		return r;
	r = begin_job(path, top, volume, 1, config, &job);
	if (r == 0 && !take_volume(volume, job))
		r = out_of_memory(path);
	return r;
}

/* ------------------------------------------------------------------------- groups */

static int add_member(const char *path, cfg_t *top, cfg_t *group, const char *name,
		      struct job_settings *job)
{
	cfg_t *volume = cfg_gettsec(top, "volume", name);

	if (!volume)
		return failure_set(-EINVAL, "%s, line %d: group \"%s\": there is no volume \"%s\"",
				   path, group->line, cfg_title(group), name);
	for (size_t i = 0; i < job->nr_volumes; i++)
		if (strcmp(job->volumes[i].name, name) == 0)
			return config_bad_section(path, group, "names a volume twice");
	if (cfg_getstr(volume, "repository") &&
	    strcmp(cfg_getstr(volume, "repository"), job->repository) != 0)
		return config_bad_section(path, group, "has volumes of another repository");
	return take_volume(volume, job) ? 0 : out_of_memory(path);
}

static int take_group(const char *path, cfg_t *top, cfg_t *group, struct config *config)
{
	unsigned int nr = cfg_size(group, "volumes");
	struct job_settings *job;
	int r;

	if (!nr)
		return config_bad_section(path, group, "names no volumes");
	if (cfg_gettsec(top, "volume", cfg_title(group)))
		return config_bad_section(path, group, "has the name of a volume");
	r = begin_job(path, top, group, nr, config, &job);
	for (unsigned int i = 0; i < nr && r == 0; i++)
		r = add_member(path, top, group, cfg_getnstr(group, "volumes", i), job);
	return r;
}

int config_take_jobs(const char *path, cfg_t *top, struct config *config)
{
	unsigned int nr_volumes = cfg_size(top, "volume"), nr_groups = cfg_size(top, "group");
	int r = 0;

	config->jobs = calloc(nr_volumes + nr_groups + 1, sizeof(*config->jobs));
	if (!config->jobs)
		return out_of_memory(path);
	for (unsigned int i = 0; i < nr_volumes && r == 0; i++)
		r = take_own_job(path, top, cfg_getnsec(top, "volume", i), config);
	for (unsigned int i = 0; i < nr_groups && r == 0; i++)
		r = take_group(path, top, cfg_getnsec(top, "group", i), config);
	return r;
}

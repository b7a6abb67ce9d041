// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * libconfuse parses; what it says goes into one sentence, of which the first counts.
 */
#include "daemon/config.h"
#include "common/cleanup.h"
#include "common/duration_text.h"
#include "common/failure.h"
#include "common/size_text.h"
#include "daemon/config_jobs.h"
#include "daemon/loopback_address.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACKNOWLEDGE_NS 10000000000u
#define RPO_NS_MIN      1000000000u
#define RPO_NS_MAX  86400000000000u /* more was meant in minutes: 5m are months */
#define MEMORY_MIN     (8u << 20)
#define END_MARK       "-end-of-file-"

/* libconfuse's callbacks have no context. */
static char complaint[1024];

static void complain(cfg_t *cfg, const char *format, va_list args)
{
	size_t used;

	if (complaint[0])
		return;
	if (cfg && cfg->filename && cfg->line)
		snprintf(complaint, sizeof(complaint), "%s, line %d: ", cfg->filename, cfg->line);
	used = strlen(complaint);
	vsnprintf(complaint + used, sizeof(complaint) - used, format, args);
}

static int check_size(cfg_t *cfg, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
	uint64_t bytes;

	if (size_text_parse(text, &bytes) == 0)
		return 0;
	cfg_error(cfg, "%s = %s: is no size; give one as 100M", cfg_opt_name(option), text);
	return -1;
}

/* node_exporter reads nothing else. */
static int check_metrics_file(cfg_t *cfg, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
	size_t length = strlen(text);

	if (*text == '/' && length > 5 && strcmp(text + length - 5, ".prom") == 0)
		return 0;
	cfg_error(cfg, "%s = %s: is no absolute path that ends in .prom", cfg_opt_name(option), text);
	return -1;
}

static int check_metrics_listen(cfg_t *cfg, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
	union loopback_address address;

	if (loopback_address_parse(text, &address) == 0)
		return 0;
	cfg_error(cfg, "%s = %s: %s", cfg_opt_name(option), text, failure_text());
	return -1;
}

static uint64_t duration(cfg_t *section, const char *name)
{
	uint64_t ns = 0;

	duration_text_parse(cfg_getstr(section, name), &ns);
	return ns;
}

static uint64_t size(cfg_t *section, const char *name)
{
	uint64_t bytes = 0;

	size_text_parse(cfg_getstr(section, name), &bytes);
	return bytes;
}

static int take_volume(const char *path, cfg_t *top, cfg_t *section,
		       struct protection_settings *volume)
{
	const char *repository = cfg_getstr(section, "repository");

	if (!repository)
		repository = cfg_getstr(top, "repository");
	if (!repository)
		return config_bad_section(path, section,
					  "has no repository; name one, in it or above");
	if (!cfg_getstr(section, "device"))
		return config_bad_section(path, section, "has no device");
	*volume = (struct protection_settings){
		.name = strdup(cfg_title(section)),
		.device = strdup(cfg_getstr(section, "device")),
		.repository = strdup(repository),
		.rpo_ns = duration(section, "rpo"),
		.points_ns = duration(section, "points"),
		.keep_journal_ns = duration(section, "keep-journal"),
		.acknowledge_ns = ACKNOWLEDGE_NS,
		.scan_bytes_per_second = size(section, "scan-rate"),
		.memory_bytes = size(section, "memory"),
	};
	if (!volume->name || !volume->device || !volume->repository)
		return failure_set(-ENOMEM, "%s: out of memory", path);
	if (volume->rpo_ns < RPO_NS_MIN)
		return config_bad_section(path, section, "rpo is at least 1s");
	if (volume->rpo_ns > RPO_NS_MAX)
		return config_bad_section(path, section,
					  "rpo is at most 1d; minutes are written as 5min");
	if (volume->memory_bytes < MEMORY_MIN)
		return config_bad_section(path, section, "memory is at least 8M");
	return 0;
}

static int check_unlike(const char *path, cfg_t *top, unsigned int nth)
{
	cfg_t *section = cfg_getnsec(top, "volume", nth);

	for (unsigned int i = 0; i < nth; i++)
		if (strcmp(cfg_getstr(cfg_getnsec(top, "volume", i), "device"),
			   cfg_getstr(section, "device")) == 0)
			return config_bad_section(path, section, "has the device of another one");
	return 0;
}

static int take_metrics(const char *path, cfg_t *top, struct config *config)
{
	const char *file = cfg_getstr(top, "metrics-file");
	const char *address = cfg_getstr(top, "metrics-listen");

	config->metrics_file = file ? strdup(file) : NULL;
	config->metrics_listen = address ? strdup(address) : NULL;
	if ((file && !config->metrics_file) || (address && !config->metrics_listen))
		return failure_set(-ENOMEM, "%s: out of memory", path);
	return 0;
}

static int take_streams(const char *path, cfg_t *top, struct config *config)
{
	unsigned int nr = cfg_size(top, "volume");
	int r = nr ? 0 : failure_set(-EINVAL, "%s: names no volume to protect", path);

	config->volumes = calloc(nr + 1, sizeof(*config->volumes));
	if (!config->volumes)
		return failure_set(-ENOMEM, "%s: out of memory", path);
	for (unsigned int i = 0; i < nr && r == 0; i++) {
		cfg_t *section = cfg_getnsec(top, "volume", i);

		if (!config_is_tracked(section))
			r = take_volume(path, top, section, &config->volumes[config->nr_volumes++]);
	}
	return r;
}

static int take_all(const char *path, cfg_t *top, struct config *config)
{
	int r = take_streams(path, top, config);

	if (r == 0)
		r = config_take_jobs(path, top, config);
	for (unsigned int i = 0; i < cfg_size(top, "volume") && r == 0; i++)
		r = check_unlike(path, top, i);
	return r;
}

/*
 * All of it first: libconfuse ends the process when it cannot read what it could open, and to it
 * the end of the file is the end of each section. So one option more follows, which has to be
 * found outside of them.
 */
static int read_text(const char *path, char **ret_text)
{
	CLEANUP_FREE char *text = NULL;
	FILE *file = fopen(path, "re");
	ssize_t bytes;
	size_t size = 0;
	int error;

	if (!file)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	bytes = getdelim(&text, &size, '\0', file);
	error = bytes < 0 && ferror(file) ? errno : 0;
	fclose(file);
	if (error)
		return failure_set(-error, "%s: %s", path, strerror(error));
	if (bytes > 0 && !text[bytes - 1])
		return failure_set(-EINVAL, "%s: is no text", path);
	if (asprintf(ret_text, "%s%s" END_MARK " = 1", bytes < 0 ? "" : text,
		     bytes > 0 && text[bytes - 1] == '\n' ? "" : "\n") < 0)
		return failure_set(-ENOMEM, "%s: out of memory", path);
	return 0;
}

static int parse_text(const char *path, FILE *file, cfg_t *top)
{
	static const char *const durations[] = {
		"volume|rpo", "volume|points", "volume|keep-journal",
	};

	top->filename = strdup(path);
	complaint[0] = '\0';
	cfg_set_error_function(top, complain);
	for (size_t i = 0; i < sizeof(durations) / sizeof(*durations); i++)
		cfg_set_validate_func(top, durations[i], config_check_span);
	for (size_t i = 0; i < 2; i++)
		cfg_set_validate_func(top, i ? "volume|memory" : "volume|scan-rate", check_size);
	cfg_set_validate_func(top, "metrics-file", check_metrics_file);
	cfg_set_validate_func(top, "metrics-listen", check_metrics_listen);
	config_jobs_check(top);
	if (cfg_parse_fp(top, file) != CFG_SUCCESS)
		return failure_set(-EINVAL, "%s", complaint[0] ? complaint : path);
	if (!cfg_getstr(top, END_MARK))
		return failure_set(-EINVAL, "%s: ends within a section: } is missing", path);
	return 0;
}

static int parse(const char *path, cfg_t *top)
{
	CLEANUP_FREE char *text = NULL;
	FILE *file;
	int r = read_text(path, &text);

	if (r < 0)
		return r;
	file = fmemopen(text, strlen(text), "r");
	if (!file)
		return failure_set(-ENOMEM, "%s: out of memory", path);
	r = parse_text(path, file, top);
	fclose(file);
	return r;
}

int config_read(const char *path, struct config *ret_config)
{
	cfg_opt_t volume[] = {
		CFG_STR("device", NULL, CFGF_NODEFAULT),
		CFG_STR("repository", NULL, CFGF_NODEFAULT),
		CFG_STR("mode", "stream", CFGF_NONE),
		CFG_STR("rpo", "5s", CFGF_NONE),
		CFG_STR("points", "1h", CFGF_NONE),
		CFG_STR("keep-journal", "48h", CFGF_NONE),
		CFG_STR("scan-rate", "0", CFGF_NONE),
		CFG_STR("memory", "64M", CFGF_NONE),
		CONFIG_JOB_OPTIONS,
		CFG_STR(END_MARK, NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t group[] = {
		CFG_STR_LIST("volumes", NULL, CFGF_NODEFAULT),
		CFG_STR("repository", NULL, CFGF_NODEFAULT),
		CONFIG_JOB_OPTIONS,
		CFG_STR(END_MARK, NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t options[] = {
		CFG_STR("repository", NULL, CFGF_NODEFAULT),
		CFG_STR("metrics-file", NULL, CFGF_NODEFAULT),
		CFG_STR("metrics-listen", NULL, CFGF_NODEFAULT),
		CFG_SEC("volume", volume, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("group", group, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_STR(END_MARK, NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	struct config config = {0};
	cfg_t *top = cfg_init(options, CFGF_NONE);
	int r;

	if (!top)
		return failure_set(-ENOMEM, "%s: out of memory", path);
	r = parse(path, top);
	if (r == 0)
		r = take_all(path, top, &config);
	if (r == 0)
		r = take_metrics(path, top, &config);
	cfg_free(top);
	if (r < 0) {
		config_clear(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

void config_clear(struct config *config)
{
	for (size_t i = 0; i < config->nr_volumes; i++) {
		free((char *)config->volumes[i].name);
		free((char *)config->volumes[i].device);
		free((char *)config->volumes[i].repository);
	}
	free(config->volumes);
	free(config->metrics_file);
	free(config->metrics_listen);
	for (size_t i = 0; i < config->nr_jobs; i++)
		job_settings_free(config->jobs[i]);
	free(config->jobs);
	*config = (struct config){0};
}

bool config_same_volume(const struct protection_settings *a, const struct protection_settings *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->repository, b->repository) == 0 && a->rpo_ns == b->rpo_ns &&
	       a->points_ns == b->points_ns && a->keep_journal_ns == b->keep_journal_ns &&
	       a->memory_bytes == b->memory_bytes &&
	       a->scan_bytes_per_second == b->scan_bytes_per_second;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The jobs of the config: volumes of mode track, groups of them, and retention of volumes
 * whose points come from their stream.
 */
#ifndef DAEMON_CONFIG_JOBS_H
#define DAEMON_CONFIG_JOBS_H

#include "daemon/config.h"

#include <confuse.h>

/* What sections of both kinds have. */
#define CONFIG_JOB_OPTIONS                                                              \
	CFG_STR("schedule", NULL, CFGF_NODEFAULT), CFG_STR("jitter", "0", CFGF_NONE),   \
	CFG_STR("hook", NULL, CFGF_NODEFAULT), CFG_STR("hook-timeout", "60s", CFGF_NONE), \
	CFG_STR("rate", NULL, CFGF_NODEFAULT), CFG_STR("cpu-share", NULL, CFGF_NODEFAULT), \
	CFG_STR("io-class", NULL, CFGF_NODEFAULT),                                      \
	CFG_STR("keep-last", NULL, CFGF_NODEFAULT),                                     \
	CFG_STR("keep-hourly", NULL, CFGF_NODEFAULT),                                   \
	CFG_STR("keep-daily", NULL, CFGF_NODEFAULT),                                    \
	CFG_STR("keep-weekly", NULL, CFGF_NODEFAULT),                                   \
	CFG_STR("keep-monthly", NULL, CFGF_NODEFAULT),                                  \
	CFG_STR("keep-yearly", NULL, CFGF_NODEFAULT),                                   \
	CFG_STR("keep-within", NULL, CFGF_NODEFAULT)

/** Is it a span of time? As libconfuse wants such checks. */
int config_check_span(cfg_t *cfg, cfg_opt_t *option);

/** -EINVAL, with a sentence that names file, section and the line of its end. */
int config_bad_section(const char *path, cfg_t *section, const char *what);

/** Have these options checked while the file is read. */
void config_jobs_check(cfg_t *top);

/** Is its points' only source a schedule? */
bool config_is_tracked(cfg_t *volume);

/** Fills config->jobs. Errors, with a sentence: -EINVAL, -ENOMEM. */
int config_take_jobs(const char *path, cfg_t *top, struct config *config);

#endif

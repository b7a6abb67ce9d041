/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tidemarkd says of a volume, as a JSON object; tidemark(8) has its members, which keep
 * their names and meanings. "tidemark status" and the metrics are made from it.
 */
#ifndef DAEMON_VOLUME_REPORT_H
#define DAEMON_VOLUME_REPORT_H

#include "agent/protection.h"

#include <json-c/json.h>

/** attachment: NULL where it is not known. The object is the caller's. */
struct json_object *volume_report(const struct protection_settings *settings,
				  const struct protection_status *status,
				  const struct attachment *attachment);

#endif

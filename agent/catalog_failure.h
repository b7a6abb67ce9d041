/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the catalog said to this thread, as failure_text().
 */
#ifndef AGENT_CATALOG_FAILURE_H
#define AGENT_CATALOG_FAILURE_H

#include "common/failure.h"

#include <tidemark.h>

static inline int catalog_failure(int error)
{
	return failure_set(error, "%s", tmc_error_text());
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark restore --group: all volumes of one cut, and what is said of them.
 */
#ifndef CLI_RESTORE_GROUP_H
#define CLI_RESTORE_GROUP_H

#include "cli/exit_status.h"
#include "restore/group_restore.h"

#include <stdbool.h>

enum exit_status restore_group(const struct group_request *request, bool json, bool quiet);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the parts of the store that is a directory share.
 */
#ifndef CATALOG_STORE_DIR_H
#define CATALOG_STORE_DIR_H

#include "catalog/store.h"

#include <dirent.h>

#define TMC_STORE_ASIDE_POINTS "aside/points-" /* and the id */

/** Where objects of a kind lie, those of packs one level below. */
const char *tmc_store_directory(enum tmc_store_kind kind);

/** Kinds that came after the first repositories: their directory is made when needed. */
bool tmc_store_is_late(enum tmc_store_kind kind);

int tmc_store_open_directory(int dir_fd, const char *name, DIR **ret_dir);
/** NULL at the end, with errno 0, or where it cannot be read. */
struct dirent *tmc_store_next_entry(DIR *dir);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which volume's journal is meant.
 */
#ifndef RESTORE_JOURNAL_VOLUME_H
#define RESTORE_JOURNAL_VOLUME_H

#include <tidemark.h>

/**
 * A volume that has a journal, by its name or identity as its points say them. NULL: the only
 * one. Errors, with a sentence in failure_text(): -ENOENT (none), -ENOTUNIQ (several, which it
 * lists), -EBADMSG (points are damaged, and it may be one of theirs).
 */
int journal_volume_find(struct tmc_repo *repo, const char *name, struct tmc_volume *ret_volume);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The master key as a text, to be kept on paper.
 */
#ifndef CATALOG_RECOVERY_H
#define CATALOG_RECOVERY_H

#include "catalog/key_slot.h"

void tmc_recovery_format(const struct tmc_id *repo_id, const struct tmc_slot_secret *secret,
			 char ret_text[TMC_RECOVERY_BYTES]);

/** Blanks and the case of digits do not count. Errors: -EINVAL (no such text, a slip). */
int tmc_recovery_parse(const char *text, struct tmc_id *ret_repo_id,
		       struct tmc_slot_secret *ret_secret);

#endif

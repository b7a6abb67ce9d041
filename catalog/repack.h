/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Copies what is needed out of packs that go.
 */
#ifndef CATALOG_REPACK_H
#define CATALOG_REPACK_H

struct tmc_prune;
struct tmc_survey;
struct tmc_pack_uses;

/**
 * Each blob that the survey has met, and that no pack has that stays, out of the packs
 * whose fate is TMC_PACK_COPIED: proved, in new packs, durable, and in an index. Counts what it
 * copies. Errors: -EBADMSG (one is damaged), -ENOSPC.
 */
int tmc_repack(struct tmc_prune *prune, struct tmc_survey *survey,
	       const struct tmc_pack_uses *uses);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Note objects: tags and a note of a point.
 */
#ifndef CATALOG_NOTE_H
#define CATALOG_NOTE_H

#include "catalog/doom.h"

/** Read and verify one object. Errors: -ENOENT, -EBADMSG. */
int tmc_note_load(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_note *ret_note);

/** Remove the notes of points that are gone; one that is damaged stays. */
int tmc_note_remove(struct tmc_repo *repo, const struct tmc_id_list *points);

#endif

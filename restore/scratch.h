/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A restore point that can be written to: what is written lies in a file without a name, in
 * blocks of 4 KiB; all else is the point's. Neither the repository nor the point changes.
 *
 * The file and the record of what is in it outlive a process that was forked behind the open:
 * a server that dies has a successor that goes on. They do not outlive the machine.
 */
#ifndef RESTORE_SCRATCH_H
#define RESTORE_SCRATCH_H

#include "restore/server.h"

#include <tidemark.h>

struct scratch;

/** directory: on a file system with holes. Errors, with a sentence: of making the file. */
int scratch_open(const char *directory, uint64_t bytes, struct scratch **ret_scratch);
/** NULL is fine. */
void scratch_close(struct scratch *scratch);

/** From now on it is that image's, in this process; image outlives it. */
void scratch_set_image(struct scratch *scratch, struct tmc_image *image);

/** Bytes that were written, in whole blocks. */
uint64_t scratch_written_bytes(const struct scratch *scratch);

/** For a server; sync does nothing, as nothing of it is to outlive the machine. */
struct server_backend scratch_backend(struct scratch *scratch);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A range of a point as a stream of bytes, in their order.
 */
#ifndef RESTORE_STREAM_H
#define RESTORE_STREAM_H

#include "restore/tally.h"

#include <stdbool.h>
#include <tidemark.h>

/**
 * Refuses what a stream would harm: a terminal, a block device (whose path is a target).
 * Errors, with a sentence: -ETXTBSY, -EINVAL.
 */
int stream_check(int fd);

/**
 * Writes the tally's range to fd, zeros included, and notes it. Nothing is written that was not
 * verified. Errors, with a sentence: -EBADMSG (the stream ends early), -EPIPE and others of write.
 */
int stream_run(struct tmc_repo *repo, const struct tmc_point *point, struct tally *tally, int fd,
	       bool progress);

#endif

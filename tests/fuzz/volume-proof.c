// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The proof on a volume with anything on it. Input: the volume's beginning; the rest is zero.
 * The same volume has the same proof, and nothing is read beyond its end.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/proof.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VOLUME_BYTES (1u << 20)
#define CAP_BYTES    (1u << 20)

static int volume(const uint8_t *data, size_t bytes)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("volume", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, VOLUME_BYTES) < 0 ||
	    pwrite(fd, data, bytes, 0) != (ssize_t)bytes)
		abort();
	return fd;
}

/* A read beyond the volume is refused before it is made, so none fails. */
static struct proof read_proof(const struct proof_source *source)
{
	struct proof proof;

	if (proof_read(source, &proof) < 0)
		abort();
	return proof;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct proof_source source = { .volume_bytes = VOLUME_BYTES };
	struct proof proof, again;

	source.fd = volume(data, bytes < VOLUME_BYTES ? bytes : VOLUME_BYTES);
	fuzz_memory_begin(CAP_BYTES);
	proof = read_proof(&source);
	again = read_proof(&source);
	fuzz_memory_end();
	if (proof.kind == PROOF_NONE)
		return 0;
	fuzz_accepted++;
	if (!proof_equal(&proof, &again))
		abort();
	return 0;
}

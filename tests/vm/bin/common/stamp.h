/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef VM_STAMP_H
#define VM_STAMP_H

#include <stdint.h>

#define SECTOR_BYTES 512

#define STAMP_CLOCK 0x6b636f6c63206d74ull /* the clock's sector; other words are zero */
#define STAMP_DATA  0x61746164206d7473ull /* a sector of a file */

/* How each sector begins that stamper writes. */
struct stamp {
	uint64_t magic;
	uint64_t clock;  /* its own number; of data: the latest one complete as it was made */
	uint64_t serial; /* of data: no two sectors have the same */
};

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * hog MIB: fill that much memory with what does not compress, and then, until killed,
 * push one MiB after the other out to swap; each comes back OUT_MAX turns later, has
 * to be as it was left, and is changed. So swap is written at a steady pace however
 * much memory there is, and never by more than is asked for.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE_BYTES   (1 << 20)
#define PAGE_WORDS    512
#define PIECE_PAGES   (PIECE_BYTES / 8 / PAGE_WORDS)
#define OUT_MAX       32
#define TURN_US       20000

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void change(uint64_t *piece, uint64_t *expected)
{
	unsigned int i;

	for (i = 0; i < PIECE_PAGES; i++)
		expected[i] = piece[i * PAGE_WORDS] = random_u64();
}

static void check(const uint64_t *piece, const uint64_t *expected)
{
	unsigned int i;

	for (i = 0; i < PIECE_PAGES; i++)
		if (piece[i * PAGE_WORDS] != expected[i])
			errx(1, "a page is not as it was left");
}

int main(int argc, char **argv)
{
	uint64_t nr = argc == 2 ? strtoull(argv[1], NULL, 0) : 0, turn, i;
	uint64_t (*pieces)[PIECE_BYTES / 8], (*expected)[PIECE_PAGES];

	if (nr <= OUT_MAX)
		errx(1, "usage: hog MIB, more than %d", OUT_MAX);
	pieces = mmap(NULL, nr * PIECE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expected = calloc(nr, sizeof(*expected));
	if (pieces == MAP_FAILED || !expected || mlock(expected, nr * sizeof(*expected)))
		err(1, "%s MiB", argv[1]);
	for (turn = 0; turn < nr; turn++) {
		for (i = 0; i < PIECE_BYTES / 8; i++)
			pieces[turn][i] = random_u64();
		change(pieces[turn], expected[turn]);
	}
	for (;; turn++) {
		if (madvise(pieces[turn % nr], PIECE_BYTES, MADV_PAGEOUT))
			err(1, "MADV_PAGEOUT");
		i = (turn - OUT_MAX) % nr;
		check(pieces[i], expected[i]);
		change(pieces[i], expected[i]);
		usleep(TURN_US);
	}
}

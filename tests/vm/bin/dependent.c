// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Writes that depend on each other, over several volumes, as a database with its
 * log on another disk makes them.
 *
 *   dependent write DEVICE...
 *       Write 1 to the first device, wait until it is complete, write 1 to the
 *       second, and so on, then 2 to the first, until SIGTERM. A failure ends it.
 *       Prints "rounds N".
 *   dependent check IMAGE...
 *       Images of all of them, in the same order: is there an instant that all
 *       show? Then each image has all numbers up to one, and no image has a number
 *       that the one before it has not, nor lags by more than one round. Prints the
 *       numbers. Exit status 0; 1 where an effect is there without its cause; 2 for
 *       everything else.
 *
 * Number n stands in slot n % NR_SLOTS, each in a chunk of its own, so that an image
 * tells of the last NR_SLOTS writes.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NR_SLOTS = 64, SLOT_BYTES = 65536, WRITE_BYTES = 4096, VOLUMES_MAX = 8 };

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static off_t slot_offset(uint64_t number)
{
	return (off_t)(number % NR_SLOTS) * SLOT_BYTES;
}

static int write_all(char **devices, int nr)
{
	uint64_t *buffer = aligned_alloc(4096, WRITE_BYTES);
	int fds[VOLUMES_MAX];
	uint64_t round;
	int i;

	if (!buffer)
		err(2, "memory");
	memset(buffer, 0, WRITE_BYTES);
	for (i = 0; i < nr; i++) {
		fds[i] = open(devices[i], O_WRONLY | O_DIRECT | O_CLOEXEC);
		if (fds[i] < 0)
			err(2, "%s", devices[i]);
	}
	for (round = 1; !stopped; round++) {
		buffer[0] = round;
		for (i = 0; i < nr; i++)
			if (pwrite(fds[i], buffer, WRITE_BYTES, slot_offset(round)) != WRITE_BYTES)
				err(2, "%s", devices[i]);
	}
	printf("rounds %" PRIu64 "\n", round - 1);
	return 0;
}

static uint64_t read_slot(int fd, uint64_t slot, const char *image)
{
	uint64_t number;

	if (pread(fd, &number, sizeof(number), slot_offset(slot)) != sizeof(number))
		err(2, "%s", image);
	return number;
}

/* The largest number in an image, after proof that none before it is missing. */
static uint64_t last_number(const char *image, int *ret_holes)
{
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint64_t last = 0, n;

	if (fd < 0)
		err(2, "%s", image);
	for (n = 0; n < NR_SLOTS; n++)
		if (read_slot(fd, n, image) > last)
			last = read_slot(fd, n, image);
	for (n = last; n && n + NR_SLOTS > last; n--) {
		if (read_slot(fd, n, image) == n)
			continue;
		printf("%s: has %" PRIu64 ", and %" PRIu64 " instead of %" PRIu64 "\n", image, last,
		       read_slot(fd, n, image), n);
		*ret_holes = 1;
	}
	close(fd);
	return last;
}

static int check_all(char **images, int nr)
{
	uint64_t last[VOLUMES_MAX];
	int i, wrong = 0;

	for (i = 0; i < nr; i++)
		last[i] = last_number(images[i], &wrong);
	for (i = 0; i < nr; i++)
		printf("%" PRIu64 "%c", last[i], i == nr - 1 ? '\n' : ' ');
	if (!last[0])
		errx(2, "nothing was written yet");
	for (i = 1; i < nr; i++)
		wrong |= last[i] > last[i - 1];
	wrong |= last[nr - 1] + 1 < last[0];
	return wrong;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	int nr = argc - 2;

	if (nr < 2 || nr > VOLUMES_MAX)
		errx(2, "the verbs are in the source's head");
	if (!strcmp(argv[1], "check"))
		return check_all(argv + 2, nr);
	if (strcmp(argv[1], "write"))
		errx(2, "%s: no such verb", argv[1]);
	sigaction(SIGTERM, &action, NULL);
	return write_all(argv + 2, nr);
}
